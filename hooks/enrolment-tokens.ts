import { enrolmentTokens } from '../collections/enrolment-tokens.ts'
import { BadRequest, Forbidden } from '../core/errors.ts'
import { toText } from '../core/fields/text.ts'
import { hooksFor } from '../core/hooks.ts'
import { randomText, sha256 } from '../core/id.ts'
import { callerFrom } from '../core/records/actor.ts'
import { refuseUnreadable } from './unreadable.ts'

const TOKEN_LENGTH = 40

export default hooksFor(enrolmentTokens, {
  async create(event, next) {
    refuseUnreadable(event, ['expires_at'])
    const { record, caller, body } = event
    const user = callerFrom(caller, 'users')
    if (callerFrom(caller, 'agents')) throw new Forbidden('Agents cannot enrol other agents.')
    // A superuser is no user: he says whose hosts these will be.
    record.user_id = user?.id ?? toText(body.user_id)
    if (record.user_id === '')
      throw new BadRequest('Failed to create record.', {
        user_id: { code: 'validation_required', message: 'Say whose agents the token enrols.' },
      })
    event.require(
      (bind) => `exists (select 1 from "users" where "id" = ${bind(record.user_id)} for key share)`,
      () => new BadRequest('Failed to create record.'),
    )
    const token = `pbe_${randomText(TOKEN_LENGTH)}`
    record.token = sha256(token)
    event.reveal('token', token)
    return next()
  },

  async update(event, next) {
    refuseUnreadable(event, ['expires_at'])
    return next()
  },
})
