import { collections } from '../../../collections/index.ts'
import { type App, createApp } from '../../../core/app.ts'
import type { Clock } from '../../../core/clock.ts'
import { readConfig } from '../../../core/config.ts'
import { type Database, type Executor, Unreachable } from '../../../core/db/database.ts'
import { localStore } from '../../../core/files/storage.ts'
import { createLog } from '../../../core/log.ts'
import { hooks } from '../../../hooks/index.ts'

/** A server dies at its n-th statement: before that has happened, or after it has and before the answer came. */
export type Death = { at: number; answered: boolean }

export type Life = { app: App; hasDied(): boolean; statements(): number }

class Died extends Unreachable {
  constructor() {
    super(new Error('This server has died.'))
  }
}

/**
 * A server on a shared database that dies there, or lives where nothing is said of it. What the database has committed
 * stays, open transactions are rolled back, and nothing this process does afterwards has any effect: what `kill -9`
 * leaves.
 */
export async function bear(shared: Database, folder: string, clock: Clock, death?: Death): Promise<Life> {
  let count = 0
  let dead = false
  // Its birth is not what is tried.
  let born = false
  const live = () => {
    if (dead) throw new Died()
  }
  /** One statement: `happens` is done unless death comes first, and is heard of unless death comes then. */
  const statement = async <T>(happens: () => Promise<T>): Promise<T> => {
    live()
    const isLast = born && ++count === death?.at
    if (isLast && !death?.answered) dead = true
    live()
    const result = await happens()
    if (isLast) dead = true
    live()
    return result
  }
  const mortal = (inner: Executor): Executor => ({
    run: (text, parameters) => statement(() => inner.run(text, parameters)),
    byId: (text, id) => statement(() => inner.byId(text, id)),
    attempt: async (work) => {
      live()
      if (!inner.attempt) throw new Error('This is no transaction.')
      return inner.attempt((part) => work(mortal(part)))
    },
  })
  const database: Database = {
    ...shared,
    run: mortal(shared).run,
    byId: mortal(shared).byId,
    async begin(work) {
      live()
      let committed: () => void = () => undefined
      const ended = new Promise<void>((resolve) => {
        committed = resolve
      })
      let commit: Promise<void> | undefined
      const result = await shared.begin(async (transaction) => {
        const made = await work(mortal(transaction))
        live()
        // The commit is a statement too: it is let happen by returning, and over when `begin` is.
        const begun = new Promise<void>((resolve, reject) => {
          commit = statement(async () => {
            resolve()
            await ended
          })
          commit.catch(reject)
        })
        await begun
        return made
      })
      committed()
      await commit
      return result
    },
  }
  const config = readConfig({ PATCHBASE_DATA_DIR: folder, PATCHBASE_LOG_LEVEL: 'silent' })
  const parts = { config, log: createLog('silent'), clock, database, files: localStore(config.filesDir) }
  const app = await createApp({ ...parts, collections, hooks })
  born = true
  return { app, hasDied: () => dead, statements: () => count }
}
