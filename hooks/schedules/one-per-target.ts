import type { Collection } from '../../core/collection.ts'
import { BadRequest } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { findOne } from '../../core/records/read.ts'

type Targeted = { id: string; agent_id: string; lxc_id: string }

/** Turns the unique index's refusal into a sentence that names the schedule which is there already. */
export async function onePerTarget<R extends Targeted>(
  { app, collection, record }: WriteEvent<R>,
  next: () => Promise<void>,
): Promise<void> {
  try {
    await next()
  } catch (error) {
    const field = record.lxc_id ? 'lxc_id' : 'agent_id'
    const refused = error instanceof BadRequest ? error.data[field] : undefined
    if (refused?.code !== 'validation_not_unique') throw error
    // The statement has failed, and a transaction with it: asked outside of it.
    const existing = await findExisting(app.database, collection, record)
    const what = record.lxc_id ? 'This container' : 'This host'
    const message = `${what} has a schedule already${existing ? `, ${existing.id}` : ''}; change that one instead.`
    throw new BadRequest((error as BadRequest).message, {
      [field]: { code: 'validation_not_unique', message },
    })
  }
}

const findExisting = (
  database: Parameters<typeof findOne>[0],
  collection: Collection,
  { agent_id, lxc_id, id }: Targeted,
) =>
  lxc_id
    ? findOne(database, collection, '"lxc_id" = $1 and "id" <> $2', [lxc_id, id])
    : findOne(database, collection, `"agent_id" = $1 and "lxc_id" = '' and "id" <> $2`, [agent_id, id])
