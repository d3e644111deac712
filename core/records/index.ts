// Records by collection name, as routes and hooks reach them: one operation per file beside this one.
import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { withoutDeadlock } from '../db/without-deadlock.ts'
import { NotFound } from '../errors.ts'
import type { Caller } from './actor.ts'
import { createBudget } from './budget.ts'
import { create, type Input, type Outcome } from './create.ts'
import { remove } from './delete.ts'
import { presentAll } from './expand.ts'
import { parseExpand } from './expand-path.ts'
import { type ListQuery, list, type Page } from './list.ts'
import { present, type VisibleRecord } from './present.ts'
import { update } from './update.ts'
import { view } from './view.ts'

export type Records = {
  list(
    name: string,
    query: ListQuery,
    caller: Caller,
  ): Promise<Omit<Page, 'items'> & { items: VisibleRecord[] }>
  view(name: string, id: string, caller: Caller, expand?: string): Promise<VisibleRecord>
  create(name: string, input: Input, caller: Caller): Promise<VisibleRecord>
  update(name: string, id: string, input: Input, caller: Caller): Promise<VisibleRecord>
  delete(name: string, id: string, caller: Caller): Promise<void>
  /** The same operations as parts of one transaction. */
  within(transaction: Executor): Records
}

/** `within` names a transaction for everything to happen in: what is read there sees what was written before. */
export function createRecords(app: App, within?: Executor): Records {
  const database = within ?? app.database
  const budget = within && createBudget()
  const reading = (name: string) => {
    const collection = app.registry.find(name)
    if (!collection) throw new NotFound('Missing collection context.')
    return collection
  }
  const writing = (name: string) => {
    const collection = app.registry.find(name)
    if (!collection) throw new NotFound('Missing or invalid collection context.')
    return collection
  }
  /** What has been written is not taken back for an answer that cannot be given, except with its transaction. */
  const answer = async (
    collection: Collection,
    { record, revealed }: Outcome,
    expand: string | undefined,
    caller: Caller,
  ): Promise<VisibleRecord> => {
    const options = { whenTooMuch: within ? ('refuse' as const) : ('leave out' as const), budget }
    const [visible] = await presentAll(app, database, collection, [record], expand, caller, options)
    return { ...(visible as VisibleRecord), ...revealed }
  }
  /** Before anything is written. */
  const refuseExpand = (collection: Collection, { expand }: Input, caller: Caller) => {
    if (expand) parseExpand(app, collection, expand, caller)
  }
  return {
    async list(name: string, query: ListQuery, caller: Caller) {
      const collection = reading(name)
      const page = await list(app, collection, query, caller, within)
      const options = { whenTooMuch: 'refuse' as const, budget }
      const items = await presentAll(app, database, collection, page.items, query.expand, caller, options)
      return { ...page, items }
    },
    async view(name: string, id: string, caller: Caller, expand?: string) {
      const collection = reading(name)
      const record = await view(app, database, collection, id, caller)
      if (!expand) return present(collection, record, caller)
      const options = { whenTooMuch: 'refuse' as const, budget }
      const [visible] = await presentAll(app, database, collection, [record], expand, caller, options)
      return visible as VisibleRecord
    },
    async create(name: string, input: Input, caller: Caller) {
      const collection = writing(name)
      refuseExpand(collection, input, caller)
      const outcome = await create(app, database, collection, input, caller)
      return answer(collection, outcome, input.expand, caller)
    },
    async update(name: string, id: string, input: Input, caller: Caller) {
      const collection = writing(name)
      refuseExpand(collection, input, caller)
      const outcome = await update(app, database, collection, id, input, caller)
      return answer(collection, outcome, input.expand, caller)
    },
    async delete(name: string, id: string, caller: Caller) {
      const collection = reading(name)
      if (within) return remove(app, within, collection, id, caller)
      // It locks many rows on its way, and others come from the other side.
      await withoutDeadlock(() =>
        app.transaction((transaction) => remove(app, transaction, collection, id, caller)),
      )
    },
    within: (transaction: Executor) => createRecords(app, transaction),
  }
}
