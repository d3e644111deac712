import { superusers } from '../collections/superusers.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'

export default hooksFor(superusers, {
  async delete({ database, record }, next) {
    // Locked, so that the last two cannot delete each other at the same moment.
    await database.run('lock table "_superusers" in share row exclusive mode')
    const others = await database.run('select 1 from "_superusers" where "id" <> $1', [record.id])
    if (others.length === 0) throw new BadRequest('The last superuser cannot be deleted.')
    return next()
  },
})
