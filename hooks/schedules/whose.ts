import { NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { callerFrom, isSuperuser } from '../../core/records/actor.ts'
import { refuseAgents } from '../ownership.ts'

/**
 * What a user makes is his, and stays his. A superuser, who owns nothing, names the user. Throws NotFound for somebody
 * else's name, as for one that does not exist.
 */
export function settleOwner<R extends { user_id: string }>({ caller, record }: WriteEvent<R>): void {
  refuseAgents(caller)
  if (isSuperuser(caller)) return
  const user = callerFrom(caller, 'users')
  if (!user) throw new NotFound()
  record.user_id ||= user.id
  if (record.user_id !== user.id) throw new NotFound()
}
