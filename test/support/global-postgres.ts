import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../../core/db/embedded/start.ts'
import type { TestServer } from './postgres.ts'

/**
 * One PostgreSQL for the whole run: the embedded one in a temporary folder, or with TEST_DATABASE_URL one from
 * outside (13 or newer, a role that may create databases).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const outside = process.env.TEST_DATABASE_URL
  if (outside) {
    project.provide('testServer', fromUrl(outside))
    return async () => undefined
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'patchbase-test-'))
  // The only place where durability is given up: these databases live for one run.
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
  const embedded = await startEmbedded({ dataDir, settings })
  const { host, port, username } = embedded.connection
  project.provide('testServer', {
    admin: { host, port, database: 'postgres', username: 'patchbase_admin' },
    owner: username,
  })
  return async () => {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function fromUrl(text: string): TestServer {
  const url = new URL(text)
  const username = decodeURIComponent(url.username)
  return {
    admin: {
      host: url.searchParams.get('host') ?? url.hostname,
      port: Number(url.port || 5432),
      database: url.pathname.slice(1) || 'postgres',
      username,
      ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    },
    owner: username,
  }
}
