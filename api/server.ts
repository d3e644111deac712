import type { App } from '../core/app.ts'
import type { Config } from '../core/config.ts'
import { startJobs } from '../core/jobs.ts'
import { openQueue } from '../core/queue/queue.ts'
import { isFirstRun, issueSetupToken } from '../core/setup.ts'
import { jobs } from '../hooks/index.ts'
import { syncBuiltInScripts } from '../hooks/jobs/sync-built-in-scripts.ts'
import { fillOsMap } from '../hooks/proxmox/families.ts'
import { countersign } from '../hooks/signing/server-signature.ts'
import { createApi } from './api.ts'
import { listen } from './listen.ts'
import { type Given, openApp } from './open-app.ts'

export type Server = {
  app: App
  url: string
  /** The one-time link for the first account, while there is none. */
  setupUrl?: string
  /** Resolves with a sentence when the server cannot go on by itself. */
  failed: Promise<string>
  /** Ends streams, requests, jobs and the database, in that order. */
  stop(): Promise<void>
}

/** What tests bring along: a database that is there already, and a time of their own. */
type Brought = Given & { patchScripts?: string }

const PATCH_SCRIPTS = new URL('../patch-scripts', import.meta.url).pathname

/** Everything a server is, in the order it comes up; it goes down the other way round. */
export async function startServer(config: Config, given: Brought = {}): Promise<Server> {
  const { patchScripts = PATCH_SCRIPTS } = given
  await using parts = new AsyncDisposableStack()
  const { app, connection, failed } = parts.use(await openApp(config, given))
  await syncBuiltInScripts(app, patchScripts)
  await fillOsMap(app)
  const running = startJobs(app, jobs)
  parts.defer(() => running.stop())
  parts.use(openQueue(app, connection, jobs))

  let url = config.publicUrl ?? ''
  const listening = await listen(
    createApi(app, () => url, countersign(app)),
    config.host,
    config.port,
  )
  parts.defer(async () => {
    app.realtime.close()
    await listening.drain()
  })
  url ||= `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listening.port}`
  const setupUrl = (await isFirstRun(app)) ? `${url}/setup?token=${await issueSetupToken(app)}` : undefined
  const held = parts.move()
  return { app, url, setupUrl, failed, stop: () => held.disposeAsync() }
}
