// Records by collection name, as routes and hooks reach them: one operation per file beside this one.
import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { Deadlock, type Executor } from '../db/database.ts'
import { NotFound } from '../errors.ts'
import type { Caller } from './actor.ts'
import { create, type Input, type Outcome } from './create.ts'
import { remove } from './delete.ts'
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
  view(name: string, id: string, caller: Caller): Promise<VisibleRecord>
  create(name: string, input: Input, caller: Caller): Promise<VisibleRecord>
  update(name: string, id: string, input: Input, caller: Caller): Promise<VisibleRecord>
  delete(name: string, id: string, caller: Caller): Promise<void>
  /** The same operations as parts of one transaction. */
  within(transaction: Executor): Records
}

/** `within` names a transaction for everything to happen in: what is read there sees what was written before. */
export function createRecords(app: App, within?: Executor): Records {
  const database = within ?? app.database
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
  const answer = (collection: Collection, { record, revealed }: Outcome, caller: Caller): VisibleRecord => ({
    ...present(collection, record, caller),
    ...revealed,
  })
  return {
    async list(name: string, query: ListQuery, caller: Caller) {
      const collection = reading(name)
      const page = await list(app, collection, query, caller)
      return { ...page, items: page.items.map((record) => present(collection, record, caller)) }
    },
    async view(name: string, id: string, caller: Caller) {
      const collection = reading(name)
      return present(collection, await view(app, collection, id, caller), caller)
    },
    async create(name: string, input: Input, caller: Caller) {
      const collection = writing(name)
      return answer(collection, await create(app, database, collection, input, caller), caller)
    },
    async update(name: string, id: string, input: Input, caller: Caller) {
      const collection = writing(name)
      return answer(collection, await update(app, database, collection, id, input, caller), caller)
    },
    async delete(name: string, id: string, caller: Caller) {
      const collection = reading(name)
      if (within) return remove(app, within, collection, id, caller)
      const attempt = () => app.transaction((transaction) => remove(app, transaction, collection, id, caller))
      // It locks many rows on its way, and others come from the other side; the second time they have passed.
      await attempt().catch((error: unknown) => {
        if (error instanceof Deadlock) return attempt()
        throw error
      })
    },
    within: (transaction: Executor) => createRecords(app, transaction),
  }
}
