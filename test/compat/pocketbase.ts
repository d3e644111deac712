import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, startChild } from '../../bench/child-server.ts'
import { findPocketBase } from '../../bench/pocketbase-binary.ts'
import type { CollectionSchema } from '../../core/schema/index.ts'

export const ROOT = { email: 'root@example.com', password: 'correct horse' }

export type RealPocketBase = AsyncDisposable & { url: string; superuser: string; superuserId: string }

/**
 * The reference itself, on a data folder of its own, empty but for a superuser. The program is that of npm, or the
 * one that TEST_POCKETBASE names.
 */
export async function startPocketBase(): Promise<RealPocketBase> {
  const how = 'TEST_POCKETBASE=PATH npx vitest run test/compat'
  const program = await findPocketBase(process.env.TEST_POCKETBASE, how)
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-compat-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string) => join(folder, name)
  const folders = ['--dir', at('data'), '--publicDir', at('public'), '--hooksDir', at('hooks')]
  const all = [...folders, '--migrationsDir', at('migrations'), '--dev=false']
  await promisify(execFile)(program, ['superuser', 'upsert', ROOT.email, ROOT.password, ...all])
  const port = await freePort()
  await startChild(parts, program, ['serve', '--http', `127.0.0.1:${port}`, ...all], port)
  const url = `http://127.0.0.1:${port}`

  const path = '/api/collections/_superusers/auth-with-password'
  const body = { identity: ROOT.email, password: ROOT.password }
  type Session = { token: string; record: { id: string } }
  const { token, record } = (await send(url, 'POST', path, { body })) as Session
  await send(url, 'PATCH', '/api/settings', { token, body: { batch: { enabled: true, maxRequests: 50 } } })
  const held = parts.move()
  return {
    url,
    superuser: token,
    superuserId: record.id,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Makes its collections those of this schema. */
export async function importSchema(
  { url, superuser }: RealPocketBase,
  collections: readonly CollectionSchema[],
): Promise<void> {
  await send(url, 'PUT', '/api/collections/import', { token: superuser, body: { collections } })
}

/** A JSON request that must succeed. */
export async function send(
  url: string,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown } = {},
): Promise<unknown> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token && { authorization: token }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
