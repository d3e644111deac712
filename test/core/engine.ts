import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collections as product } from '../../collections/index.ts'
import { type App, createApp, type Parts } from '../../core/app.ts'
import { systemClock } from '../../core/clock.ts'
import { readConfig } from '../../core/config.ts'
import { openDatabase } from '../../core/db/database.ts'
import { migrate } from '../../core/db/migrate.ts'
import { localStore } from '../../core/files/storage.ts'
import { createLog } from '../../core/log.ts'
import { freshDatabase } from '../support/postgres.ts'

export type Engine = { app: App; folder: string; [Symbol.asyncDispose](): Promise<void> }

/** The engine with the product's tables and with hooks of the test's own, or none. */
export async function startEngine(given: Partial<Parts> = {}): Promise<Engine> {
  const test = await freshDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-engine-'))
  await migrate(test.connection)
  const database = openDatabase(test.connection, () => undefined)
  const close = async () => {
    await database.close()
    await test.drop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const app = await createApp({
      config: readConfig({ PATCHBASE_DATA_DIR: folder }),
      log: createLog(process.env.TEST_LOG_LEVEL ?? 'silent'),
      clock: systemClock,
      database,
      files: localStore(join(folder, 'files')),
      collections: product,
      hooks: [],
      ...given,
    })
    return {
      app,
      folder,
      async [Symbol.asyncDispose]() {
        app.realtime.close()
        await app.settled()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
