import { agents } from '../collections/agents.ts'
import { BadRequest, Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { applyFacts } from './enrolment/facts.ts'
import { giveRefreshToken, renewRefreshToken } from './enrolment/refresh.ts'
import { register } from './enrolment/register.ts'
import { dropEvidence } from './operations/drop-evidence.ts'
import { bequeath } from './proxmox/inherit.ts'
import { endRebootsOf } from './reboots/revoked.ts'

const OWNERS_FIELDS = ['hostname', 'tags', 'status', 'update_channel'] as const

export default hooksFor(agents, {
  async create(event, next) {
    if (event.caller.act !== 'register') throw new Forbidden('Agents are made by registration only.')
    return register(event, next)
  },

  async update(event, next) {
    const { before, body, caller } = event
    const asked = event.record
    event.record = { ...before }
    if (caller.act === 'heartbeat') applyFacts(event.record, body)
    else if (caller.act === 'drop-evidence') dropEvidence(event)
    else if (caller.act === 'refresh') renewRefreshToken(event)
    else if (caller.act === 'reissue') giveRefreshToken(event, event.record)
    else for (const field of OWNERS_FIELDS) Object.assign(event.record, { [field]: asked[field] })
    const { record } = event
    if (before.status === 'revoked' && record.status !== 'revoked')
      throw new BadRequest('Failed to update record.', {
        status: {
          code: 'validation_invalid_value',
          message: 'A revoked agent stays revoked; enrol the host anew.',
        },
      })
    if (record.status === 'revoked' && before.status !== 'revoked') {
      record.refresh_token_hash = ''
      record.refresh_token_expires = ''
      record.enrol_key_hash = ''
      await endRebootsOf(event)
    }
    return next()
  },

  async delete(event, next) {
    await bequeath(event)
    return next()
  },
})
