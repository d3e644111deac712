import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { BadRequest, Forbidden, TooManyRequests } from '../errors.ts'
import { isId, newId, randomText, sha256 } from '../id.ts'
import { codeMessage } from '../mail/messages.ts'
import { actingAs, type Caller } from '../records/actor.ts'
import { readById } from '../records/read.ts'
import { update } from '../records/update.ts'
import { addSeconds } from '../time.ts'
import { readForm, refuseWrong, wrongLength } from './form.ts'
import { isActive, ownerOf } from './identify.ts'
import { openSession, type Session } from './login.ts'
import { hashPassword, verifyPassword } from './password.ts'

export const DIGITS = 8
/** Five guesses of a hundred million. */
const TRIES = 5

const invalid = () => new BadRequest('Invalid or expired OTP.')

/** How long a code is good for, in seconds; 0 where nobody signs in by one. Who cannot mail cannot ask for one. */
export const otpSeconds = (app: App, { auth }: Collection): number =>
  app.mail.enabled ? (auth?.otpSeconds ?? 0) : 0

export function refuseWithoutOtp(app: App, collection: Collection): void {
  if (otpSeconds(app, collection) === 0)
    throw new Forbidden('The collection is not configured to allow OTP authentication.')
}

/**
 * Mails a code and hands out its id. For an address of nobody all of it happens, too, but for the mail: neither the
 * answer, its time nor what the id is good for tells who exists.
 */
export async function requestOtp(app: App, collection: Collection, email: string): Promise<string> {
  const seconds = otpSeconds(app, collection)
  const record = await ownerOf(app, collection, email)
  const code = randomText(DIGITS, '0123456789')
  const id = newId()
  await app.database.run(
    `insert into "_otps" ("id", "collection", "record", "hash", "token_key_hash", "expires")
     values ($1, $2, $3, $4, $5, $6)`,
    [
      id,
      collection.id,
      record?.id ?? '',
      await hashPassword(code),
      sha256(String(record?.tokenKey ?? '')),
      addSeconds(app.clock(), seconds).toISOString(),
    ],
  )
  if (record)
    app.mail.post({ message: 'one-time password', collection: collection.name, record: record.id }, () =>
      codeMessage(email, code, Math.ceil(seconds / 60)),
    )
  return id
}

type Row = { record: string; hash: string; tokenKeyHash: string; tries: number; expires: string }

/** Signs in by a code, once. It ends with its time, with too many tries, and with the password it stood beside. */
export async function loginWithOtp(
  app: App,
  collection: Collection,
  body: unknown,
  caller: Caller,
): Promise<Session> {
  const { otpId, password } = readForm(body, 'otpId', 'password')
  refuseWrong({ otpId: wrongLength(otpId, 1, 255), password: wrongLength(password, 1, 71) })
  const otp = await countTry(app, collection, otpId)
  if (otp && otp.tries > TRIES)
    throw new TooManyRequests(
      (new Date(otp.expires).getTime() - app.clock().getTime()) / 1000,
      'Too many attempts, please try again later with a new OTP.',
    )
  if (!(await verifyPassword(password, otp?.hash ?? '')) || !otp) throw invalid()
  // Whoever removes it has it; of two who come at once that is one.
  const spent = await app.database.run('delete from "_otps" where "id" = $1 returning 1', [otpId])
  const record = await readById(app.database, collection, otp.record)
  if (spent.length === 0 || !record || sha256(String(record.tokenKey)) !== otp.tokenKeyHash) throw invalid()
  if (!isActive(app, collection, record)) throw invalid()
  return openSession(app, collection, record.verified ? record : await prove(app, collection, record, caller))
}

/** Counted before it is judged, in the database: however many come at once, and at however many servers. */
async function countTry(app: App, collection: Collection, id: string): Promise<Row | undefined> {
  if (!isId(id)) return undefined
  const [row] = await app.database.run<Row>(
    `update "_otps" set "tries" = "tries" + 1 where "id" = $1 and "collection" = $2 and "expires" > $3
     returning "record", "hash", "token_key_hash" as "tokenKeyHash", "tries", "expires"::text`,
    [id, collection.id, app.clock().toISOString()],
  )
  return row
}

/**
 * The address is proven. Whoever signed up with it before may have been somebody else, so the password he chose is
 * worth nothing from now on, and his sessions end.
 */
async function prove(
  app: App,
  collection: Collection,
  { id }: StoredRecord,
  caller: Caller,
): Promise<StoredRecord> {
  const password = randomText(30)
  const input = {
    body: { verified: true, ...(collection.auth?.password && { password, passwordConfirm: password }) },
  }
  return (await update(app, app.database, collection, id, input, actingAs(caller, 'otp', true))).record
}

/** Codes that are of no use any more. */
export async function forgetOtps(app: App): Promise<void> {
  await app.database.run('delete from "_otps" where "expires" < $1', [app.clock().toISOString()])
}
