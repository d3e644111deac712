import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { TooManyRequests } from '../errors.ts'
import { turns } from '../turns.ts'

const derive = promisify(argon2)

// OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane. Changing it leaves old hashes
// readable, because each names its own parameters.
const COST = { memory: 19_456, passes: 2, parallelism: 1 }
const TAG_BYTES = 32

/** Characters; the bounds are PocketBase's, so that an account can be taken there and back. */
export const PASSWORD_MIN = 8
export const PASSWORD_MAX = 71
/** Bytes beyond which nothing is read as a password at all. */
export const PASSWORD_BYTES_READ = 72

/** Two hashes fill two cores and 40 MiB; more at once would let a login flood starve everything else. */
const inTurn = turns(2, 20, () => new TooManyRequests(2, 'Too many sign-ins at once, please try again.'))

const hash = (password: string, nonce: Buffer, cost = COST) =>
  inTurn(
    () =>
      derive('argon2id', {
        message: Buffer.from(password),
        nonce,
        tagLength: TAG_BYTES,
        ...cost,
      }) as Promise<Buffer>,
  )

/** In the standard's text form: `$argon2id$v=19$m=,t=,p=$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const tag = await hash(password, salt)
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  const { memory, passes, parallelism } = COST
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${encode(salt)}$${encode(tag)}`
}

const FORM = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** Takes equally long for a stored '' (nobody of that name): the time must not tell who exists. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parts = FORM.exec(stored)
  if (!parts) {
    await hash(password, Buffer.alloc(16))
    return false
  }
  const [, memory, passes, parallelism, salt = '', tag = ''] = parts
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
  const expected = Buffer.from(tag, 'base64')
  const actual = await hash(password, Buffer.from(salt, 'base64'), cost)
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** What is wrong with a new password, for people; the API has PocketBase's words for it, which help less. */
export function passwordProblem(password: string): string | undefined {
  const length = [...password].length
  if (length < PASSWORD_MIN) return `Must be at least ${PASSWORD_MIN} characters.`
  if (length > PASSWORD_MAX || Buffer.byteLength(password) > PASSWORD_BYTES_READ)
    return `Must be no more than ${PASSWORD_MAX} characters, and ${PASSWORD_BYTES_READ} bytes.`
  return undefined
}
