import { z } from 'zod'
import type { App } from '../../../core/app.ts'
import type { StoredRecord } from '../../../core/collection.ts'
import { BadRequest, Forbidden, Unauthorized } from '../../../core/errors.ts'
import { sha256 } from '../../../core/id.ts'
import { fieldsOf } from '../../../core/input.ts'
import { rateLimit } from '../../../core/rate-limit.ts'
import { actingAs, callerFrom, isSuperuser } from '../../../core/records/actor.ts'
import { findOne } from '../../../core/records/read.ts'
import { publicBase64 } from '../../../core/signing/keys.ts'
import { formatTime, parseTime } from '../../../core/time.ts'
import type { DeviceApproval } from '../../device-approval.ts'
import { requireSignedIn } from '../../guards.ts'
import type { AgentAction } from './action.ts'

const STARTS_PER_ADDRESS = 60
const WRONG_PER_ADDRESS = 60
const WINDOW_SECONDS = 60

const Start = z.object({ hostname: z.string().max(255).default('') })
const Authorize = z.object({ user_code: z.string().default(''), user_id: z.string().optional() })
const Refresh = z.object({ refresh_token: z.string().default('') })

/** How a host becomes an agent, and stays one. */
export function enrolment(
  app: App,
  publicUrl: () => string,
  approval: DeviceApproval,
): Record<string, AgentAction> {
  const starts = rateLimit(STARTS_PER_ADDRESS, WINDOW_SECONDS)
  // Only misses count: many hosts share one address, and a stranger's guesses must not lock out the others' secrets.
  const wrong = rateLimit(WRONG_PER_ADDRESS, WINDOW_SECONDS)

  const tokensOf = (record: StoredRecord) => {
    const agents = app.registry.need('agents')
    const seconds = agents.auth?.tokenSeconds ?? 0
    return { access_token: app.tokens.issue(agents, record, 'auth', seconds), expires_in: seconds }
  }
  const agentOf = async (id: string): Promise<StoredRecord> => {
    const record = await findOne(app.database, app.registry.need('agents'), '"id" = $1', [id])
    if (!record) throw new BadRequest('The agent was deleted.')
    return record
  }

  return {
    async 'device-auth-start'(c, body) {
      const { caller } = c.var
      await starts.spend(caller.address)
      const { hostname } = fieldsOf(Start, body)
      const input = { body: { hostname, address: caller.address } }
      const made = await app.records.create('device_codes', input, actingAs(caller, 'start', true))
      return c.json({
        device_code: made.device_code,
        user_code: made.user_code,
        verification_uri: `${publicUrl()}/agent/authorize?user_code=${String(made.user_code)}`,
        expires_in: secondsUntil(String(made.expires_at), app.clock()),
      })
    },

    async authorize(c, body) {
      const { caller } = c.var
      requireSignedIn(caller)
      const { user_code, user_id } = fieldsOf(Authorize, body)
      const user = callerFrom(caller, 'users')?.id ?? (isSuperuser(caller) ? user_id : undefined)
      if (callerFrom(caller, 'agents')) throw new Forbidden('Agents cannot enrol other agents.')
      if (!user)
        throw new BadRequest('A superuser says whose agent it will be.', {
          user_id: { code: 'validation_required', message: 'Cannot be blank.' },
        })
      await approval.approve(user_code, user, caller)
      return c.json({ success: true, message: 'device authorized' })
    },

    async register(c, body) {
      const { caller } = c.var
      const act = actingAs(caller, 'register', true)
      const made = await app.records.create('agents', { body }, act).catch(async (error: unknown) => {
        const guess = error instanceof BadRequest && error.message !== 'device not authorized yet'
        if (guess) await wrong.spend(caller.address)
        throw error
      })
      const { refresh_token } = made
      return c.json({
        ...tokensOf(await agentOf(made.id)),
        refresh_token,
        agent_id: made.id,
        signing_keys: [{ id: app.signingKey.id, kind: 'server', public_key: publicBase64(app.signingKey) }],
      })
    },

    async refresh(c, body) {
      const { caller } = c.var
      const { refresh_token } = fieldsOf(Refresh, body)
      const agents = app.registry.need('agents')
      const found = await findOne(
        app.database,
        agents,
        `"refresh_token_hash" = $1 and "refresh_token_hash" <> '' and "refresh_token_expires" > $2 and "status" <> 'revoked'`,
        [sha256(refresh_token), formatTime(app.clock())],
      )
      if (!found) {
        await wrong.spend(caller.address)
        throw new Unauthorized('The refresh token is unknown, expired or revoked.')
      }
      await app.records.update('agents', found.id, { body: {} }, actingAs(caller, 'refresh', true))
      return c.json({ ...tokensOf(found), agent_id: found.id })
    },
  }
}

const secondsUntil = (time: string, now: Date): number =>
  Math.round(((parseTime(time) ?? now).getTime() - now.getTime()) / 1000)
