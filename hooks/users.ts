import { agents } from '../collections/agents.ts'
import { users } from '../collections/users.ts'
import { BadRequest, Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { isSuperuser } from '../core/records/actor.ts'
import { findAll } from '../core/records/read.ts'

export default hooksFor(users, {
  async create({ app, caller }, next) {
    const open = app.config.signup === 'open' && caller.actor.kind === 'guest'
    if (!open && !isSuperuser(caller)) throw new Forbidden('Only superusers can perform this action.')
    return next()
  },

  async delete({ database, record }, next) {
    const owned = await findAll(database, agents, '"user_id" = $1', [record.id])
    if (owned.length > 0)
      throw new BadRequest(`The user still has ${owned.length} agent(s); delete those first.`)
    return next()
  },
})
