import { createApi } from '../../api/api.ts'
import { listen } from '../../api/listen.ts'
import { collections as product } from '../../collections/index.ts'
import type { App, Parts } from '../../core/app.ts'
import type { Collection } from '../../core/collection.ts'
import type { Field } from '../../core/fields/index.ts'
import { SUPERUSERS, systemCaller } from '../../core/records/actor.ts'
import { startEngine } from '../core/engine.ts'
import { lab, makeTables } from './lab.ts'
import { ROOT } from './pocketbase.ts'

export type Ours = AsyncDisposable & { url: string; app: App; superuserId: string }

/**
 * What PocketBase has no word for is taken off: values of the server's own, initial ones, relations that keep a
 * lost id, changes nobody hears of. What is left must be alike on both sides.
 */
export function plain(collection: Collection): Collection {
  const simple = (name: string, field: Field): Field => {
    if (!Object.hasOwn(collection.own, name)) return field
    const { initial: _, keep: __, ...options } = field.options
    return { ...field, computed: false, volatile: false, options }
  }
  const fields = new Map([...collection.fields].map(([name, field]) => [name, simple(name, field)]))
  return { ...collection, fields, logged: true, audited: false }
}

/** The engine and the API on the product's collections and the lab's, without the product's hooks. */
export async function startOurs(given: Partial<Parts> = {}): Promise<Ours> {
  await using parts = new AsyncDisposableStack()
  const collections = [...product, ...lab].map(plain)
  const { app } = parts.use(await startEngine({ collections, ...given }))
  await makeTables(app.database)
  let url = ''
  const listening = await listen(
    createApi(app, () => url),
    '127.0.0.1',
    0,
  )
  url = `http://127.0.0.1:${listening.port}`
  parts.defer(async () => {
    app.realtime.close()
    await listening.drain()
  })
  const body = { ...ROOT, passwordConfirm: ROOT.password, verified: true }
  const { id } = await app.records.create(SUPERUSERS, { body }, systemCaller)
  const held = parts.move()
  return { url, app, superuserId: id, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
