import type { App } from '../core/app.ts'
import type { StoredRecord } from '../core/collection.ts'
import { BadRequest } from '../core/errors.ts'
import { rateLimit } from '../core/rate-limit.ts'
import { actingAs, type Caller } from '../core/records/actor.ts'
import { findOne } from '../core/records/read.ts'
import { formatTime } from '../core/time.ts'

/** 8 letters of 32 are 40 bits; ten tries in ten minutes leave a guesser no chance. */
const WRONG_CODES = 10
const WRONG_CODES_SECONDS = 600

export type DeviceApproval = ReturnType<typeof deviceApproval>

/** A person says yes to an enrolment: one for the API and the page, with one count of wrong codes. */
export function deviceApproval(app: App) {
  const wrong = rateLimit(WRONG_CODES, WRONG_CODES_SECONDS)

  /** The waiting enrolment behind a code; throws for a wrong, expired or used one. */
  const look = async (userCode: string, user: string, caller: Caller): Promise<StoredRecord> => {
    const key = `${user} ${caller.address}`
    await wrong.spend(key)
    const code = await findOne(app.database, app.registry.need('device_codes'), '"user_code" = $1', [
      userCode.trim().toUpperCase(),
    ])
    const live = code?.status === 'pending' && String(code.expires_at) > formatTime(app.clock())
    if (!code || !live) throw new BadRequest('The code is unknown, expired or already used.')
    await wrong.refund(key)
    return code
  }

  return {
    look,
    async approve(userCode: string, user: string, caller: Caller): Promise<StoredRecord> {
      const code = await look(userCode, user, caller)
      const input = { body: { user_id: user } }
      await app.records.update('device_codes', code.id, input, actingAs(caller, 'authorize', true))
      return code
    },
  }
}
