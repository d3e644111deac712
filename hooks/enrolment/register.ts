import { type Agent, agents } from '../../collections/agents.ts'
import { deviceCodes } from '../../collections/device-codes.ts'
import { enrolmentTokens } from '../../collections/enrolment-tokens.ts'
import type { RecordOf } from '../../core/collection.ts'
import { BadRequest } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { newId, sha256 } from '../../core/id.ts'
import { actingAs } from '../../core/records/actor.ts'
import { findOne } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { applyFacts, hostnameOf } from './facts.ts'
import { giveRefreshToken } from './refresh.ts'

type DeviceCode = RecordOf<typeof deviceCodes>
type EnrolmentToken = RecordOf<typeof enrolmentTokens>

const invalid = () => new BadRequest('The code or token is unknown, expired or already used.')

/**
 * Makes an agent of a host that shows an authorised device code or an enrolment token. A code works once, except
 * that the host which used it, known by its enrol key, gets the same agent again while the code lives: the first
 * answer may have been lost.
 */
export async function register(event: WriteEvent<Agent>, write: () => Promise<void>): Promise<void> {
  const { database, body, record } = event
  clearOwners(record)
  const enrolKey =
    typeof body.enrol_key === 'string' && body.enrol_key.length >= 16 ? sha256(body.enrol_key) : ''
  const { device_code: deviceCode, enrolment_token: enrolmentToken } = body
  if (typeof deviceCode === 'string' && deviceCode !== '') {
    const code = await findOne(database, deviceCodes, '"device_code" = $1', [sha256(deviceCode)])
    const again = code && (await registeredBefore(event, code.agent_id, enrolKey, code.expires_at))
    if (again) return repeat(event, again)
    useDeviceCode(event, code)
  } else if (typeof enrolmentToken === 'string' && enrolmentToken !== '') {
    const token = await findOne(database, enrolmentTokens, '"token" = $1', [sha256(enrolmentToken)])
    const live = token && !isOver(token, event.now) ? token : undefined
    const known = `"user_id" = $1 and "enrol_key_hash" = $2 and $2 <> ''`
    const earlier = live && (await findOne(database, agents, known, [live.user_id, enrolKey]))
    if (earlier) return repeat(event, earlier)
    useEnrolmentToken(event, live)
  } else throw new BadRequest('Send a device_code or an enrolment_token.')
  record.hostname = hostnameOf(body)
  applyFacts(record, body)
  record.last_seen = formatTime(event.now)
  record.enrol_key_hash = enrolKey
  giveRefreshToken(event, record)
  return writeOnce(event, write)
}

/** What a host says is facts about itself; the rest of its record is its owner's, and the server's. */
function clearOwners(record: Agent): void {
  Object.assign(record, {
    status: 'active',
    tags: null,
    update_channel: '',
    email: '',
    emailVisibility: false,
    verified: false,
  })
}

/** The owner must not be deleted at this very moment. Before any other condition: a delete locks from him down. */
function stillThere(event: WriteEvent<Agent>): void {
  event.require(
    (bind) => `exists (select 1 from "users" where "id" = ${bind(event.record.user_id)} for key share)`,
    invalid,
  )
}

const isOver = ({ expires_at }: EnrolmentToken, now: Date): boolean =>
  expires_at !== '' && expires_at <= formatTime(now)

async function registeredBefore(
  { database, now }: WriteEvent<Agent>,
  id: string,
  enrolKey: string,
  until: string,
): Promise<Agent | undefined> {
  if (id === '' || enrolKey === '' || until <= formatTime(now)) return undefined
  return findOne(database, agents, `"id" = $1 and "enrol_key_hash" = $2 and "status" <> 'revoked'`, [
    id,
    enrolKey,
  ])
}

/** The same agent with a new refresh token; the lost answer's one is worth nothing. */
async function repeat(event: WriteEvent<Agent>, agent: Agent): Promise<void> {
  const caller = actingAs(event.caller, 'reissue', true)
  const again = await event.app.records.update('agents', agent.id, { body: {} }, caller)
  event.reveal('refresh_token', String(again.refresh_token))
  event.record = { ...agent }
}

/** Of several registrations of one host that come at once, the later ones get what the first has made. */
async function writeOnce(event: WriteEvent<Agent>, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!(error instanceof BadRequest) || !('enrol_key_hash' in error.data)) throw error
    const { user_id, enrol_key_hash } = event.record
    const condition = '"user_id" = $1 and "enrol_key_hash" = $2'
    const first = await findOne(event.app.database, agents, condition, [user_id, enrol_key_hash])
    if (!first) throw error
    await repeat(event, first)
  }
}

function useDeviceCode(event: WriteEvent<Agent>, code: DeviceCode | undefined): void {
  const { record, now } = event
  if (!code || code.status === 'used' || code.expires_at <= formatTime(now)) throw invalid()
  if (code.status !== 'authorized') throw new BadRequest('device not authorized yet')
  record.id = newId()
  record.user_id = code.user_id
  stillThere(event)
  event.require(
    (bind) =>
      `exists (select 1 from "device_codes" where "id" = ${bind(code.id)} and "status" = 'authorized' for update)`,
    invalid,
  )
  event.also(
    (bind) =>
      `update "device_codes" set "status" = 'used', "agent_id" = ${bind(record.id)}
       where "id" = ${bind(code.id)} and exists (select 1 from written)`,
  )
}

function useEnrolmentToken(event: WriteEvent<Agent>, token: EnrolmentToken | undefined): void {
  const { record } = event
  if (!token || (token.max_uses > 0 && token.uses >= token.max_uses)) throw invalid()
  record.user_id = token.user_id
  stillThere(event)
  record.tags = token.tags
  event.require(
    (bind) =>
      `exists (select 1 from "enrolment_tokens" where "id" = ${bind(token.id)}
         and ("max_uses" = 0 or "uses" < "max_uses") for update)`,
    invalid,
  )
  event.also(
    (bind) =>
      `update "enrolment_tokens" set "uses" = "uses" + 1
       where "id" = ${bind(token.id)} and exists (select 1 from written)`,
  )
}
