/** `npm start` as its own process: starts, refusals, kills and ends. */

import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startEmbedded } from '../../core/db/embedded/start.ts'
import {
  isRoot,
  needsRoot,
  nobody,
  noPostgresLeft,
  postgresProcesses,
  tempFolder,
} from '../support/embedded.ts'
import { startOutsidePostgres } from '../support/outside-postgres.ts'
import {
  type Program,
  type ProgramOptions,
  type ServerProcess,
  startProgram,
  startServer,
} from '../support/server-process.ts'

const EMAIL = 'root@example.com'
const PASSWORD = 'correct horse'
const upsert = async (args: string[], options: ProgramOptions = {}): Promise<void> => {
  const made = startProgram('cli/superuser.ts', ['upsert', EMAIL, '-', ...args], {
    input: PASSWORD,
    ...options,
  })
  expect(await made.exited, made.output).toBe(0)
}
/** Refused: nothing on stdout, one sentence on stderr, no stack. */
const refused = async (program: Program): Promise<string> => {
  expect(await program.exited, program.output).toBe(1)
  expect(program.stdout).toBe('')
  expect(program.stderr).not.toMatch(/^\s+at /m)
  return program.stderr.trim()
}
const start = (...args: string[]) => startProgram('api/main.ts', ['--port', '0', ...args])

describe('npm start', { timeout: 30_000 }, () => {
  test('on an empty folder: the address, and a setup link that works once', async () => {
    const folder = join(tempFolder(), 'new/data')
    await using server = await startServer(['--data-dir', folder])
    const [link] = await server.program.says(/http\S+\/setup\?token=\S+/)
    expect(link.startsWith(server.url)).toBe(true)
    expect(server.program.stdout).toContain('npm run superuser -- upsert EMAIL PASSWORD')
    expect((await fetch(link)).status).toBe(200)
    const token = new URL(link).searchParams.get('token') ?? ''
    const form = new URLSearchParams({ token, email: EMAIL, password: PASSWORD, passwordConfirm: PASSWORD })
    const send = () =>
      fetch(`${server.url}/setup`, { method: 'POST', body: form, headers: { origin: server.url } })
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBeGreaterThanOrEqual(400)
    await server.login('_superusers', EMAIL, PASSWORD)
    await server.login('users', EMAIL, PASSWORD)
    expect(await server.program.end()).toBe(0)
    await noPostgresLeft(folder)

    await using again = await startServer(['--data-dir', folder])
    expect(again.program.stdout).not.toContain('/setup?token=')
  })

  test('a second server on the same folder is refused, and the first goes on', async () => {
    const folder = tempFolder()
    await using first = await startServer(['--data-dir', folder])
    expect(await refused(start('--data-dir', folder))).toMatch(
      new RegExp(`already running on this data folder as process ${first.program.child.pid};.*--data-dir`),
    )
    expect((await first.call('GET', '/api/health')).status).toBe(200)
  })

  test('a port that is taken: a sentence, and no PostgreSQL left', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((listening) => other.once('listening', listening))
    const { port } = other.address() as AddressInfo
    const folder = tempFolder()
    expect(await refused(start('--data-dir', folder, '--port', String(port)))).toBe(
      `Port ${port} on 127.0.0.1 is taken by another program; end it, or choose another port with --port.`,
    )
    other.close()
    expect(postgresProcesses(folder)).toEqual([])
  })

  test.each([
    [
      'an unknown setting',
      { PATCHBASE_PROT: '1' },
      [],
      /^PATCHBASE_PROT is not a setting .* PATCHBASE_PORT\?$/,
    ],
    ['a setting that is no number', { PATCHBASE_PORT: 'high' }, [], /^PATCHBASE_PORT is not usable: .*\.$/],
    ['an unknown flag', {}, ['--prot', '1'], /--prot[\s\S]*--port +PATCHBASE_PORT/],
    ['a word too many', {}, ['now'], /now[\s\S]*--port +PATCHBASE_PORT/],
  ])('%s: a sentence', async (_name, env, args, sentence) => {
    const program = startProgram('api/main.ts', ['--data-dir', tempFolder(), ...args], { env })
    const said = await refused(program)
    expect(said).toMatch(sentence)
  })

  test('--help prints the flags and starts nothing', async () => {
    const help = start('--help')
    expect(await help.exited).toBe(0)
    expect(help.stdout).toMatch(/--data-dir +PATCHBASE_DATA_DIR/)
  })

  test('an old Node: one sentence', async ({ skip }) => {
    const old = '/usr/bin/node'
    const version = startProgram('check-node.mjs', [], { node: old, shell: false })
    version.child.on('error', () => undefined)
    const code = await version.exited
    if (code !== 1) skip(`${old} is not older than 24`)
    const program = startProgram('api/main.ts', ['--data-dir', tempFolder()], { node: old })
    expect(await refused(program)).toMatch(/^Patchbase needs Node 24 or newer and was started with [^\n]*\.$/)
  })
})

describe('a server that ends', { timeout: 30_000 }, () => {
  test('SIGTERM with open streams and a request under way: 0 within 5 s, the request is answered', async () => {
    const folder = tempFolder()
    await using server = await startServer(['--data-dir', folder])
    await upsert(['--data-dir', folder])
    const { token } = await server.login('_superusers', EMAIL, PASSWORD)
    const streams = await Promise.all(Array.from({ length: 20 }, () => openStream(server)))
    // Its headers are there, its body is not yet.
    const fields = { email: 'late@example.com', password: PASSWORD, passwordConfirm: PASSWORD }
    const late = request(`${server.url}/api/collections/users/records`, {
      method: 'POST',
      headers: { authorization: token, 'content-type': 'application/json' },
    })
    const answered = once(late, 'response') as Promise<[IncomingMessage]>
    late.flushHeaders()
    await once(late, 'socket')
    await server.call('GET', '/api/health')

    const at = performance.now()
    server.program.child.kill('SIGTERM')
    await Promise.all(streams.map(({ ended }) => ended))
    late.end(JSON.stringify(fields))
    const [answer] = await answered
    expect(answer.statusCode).toBe(200)
    answer.resume()
    expect(await server.program.exited).toBe(0)
    expect(performance.now() - at).toBeLessThan(5000)
    expect(postgresProcesses(folder)).toEqual([])
  })

  const rounds = process.env.TEST_LONG ? 100 : 3
  test(`kill -9 in a stream of writes, ${rounds} times: every acknowledged write is there`, {
    timeout: 20_000 + rounds * 15_000,
  }, async () => {
    const folder = tempFolder()
    await upsert(['--data-dir', folder])
    const acknowledged = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      await using server = await startServer(['--data-dir', folder])
      expect(postmasters(folder)).toHaveLength(1)
      const { token } = await server.login('users', EMAIL, PASSWORD)
      const write = async (writer: number) => {
        for (let n = 0; ; n++) {
          const name = `${round}-${writer}-${n}`
          const path = '/api/collections/enrolment_tokens/records'
          const { status } = await server.call('POST', path, { token, body: { name } })
          if (status !== 200) throw new Error(`A write was answered with ${status}.`)
          acknowledged.add(name)
        }
      }
      const enough = acknowledged.size + 30 + Math.floor(Math.random() * 300)
      const writers = [0, 1, 2, 3].map((writer) => write(writer).catch((error: unknown) => String(error)))
      await expect.poll(() => acknowledged.size, { timeout: 20_000, interval: 5 }).toBeGreaterThan(enough)
      await server.program.end('SIGKILL')
      for (const ending of await Promise.all(writers))
        expect(ending).toMatch(/fetch failed|terminated|other side/)
    }
    await using server = await startServer(['--data-dir', folder])
    expect(postmasters(folder)).toHaveLength(1)
    const { token } = await server.login('users', EMAIL, PASSWORD)
    const stored = await storedNames(server, token)
    expect(acknowledged.difference(stored)).toEqual(new Set())
    // At most one per writer and round can have been written without its answer having come.
    expect(stored.difference(acknowledged).size).toBeLessThanOrEqual(4 * rounds)
    await server.program.end()
    await noPostgresLeft(folder)
  })
})

describe('accounts and databases', { timeout: 30_000 }, () => {
  test.runIf(isRoot)('as root, with the data under a folder that only root may enter', async () => {
    const closed = join(tempFolder(), 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const folder = join(closed, 'data')
    await using server = await startServer(['--data-dir', folder])
    await upsert(['--data-dir', folder])
    await server.login('users', EMAIL, PASSWORD)
    const [postgres = 0] = postmasters(folder)
    expect(readFileSync(`/proc/${postgres}/status`, 'utf8')).not.toMatch(/^Uid:\s+0\b/m)
    expect(await server.program.end()).toBe(0)
    await noPostgresLeft(folder)
  })

  test('as an ordinary user', async ({ skip }) => {
    if (!isRoot) skip(needsRoot)
    const folder = tempFolder()
    chownSync(folder, nobody, nobody)
    const account: ProgramOptions = { uid: nobody, gid: nobody, env: { HOME: folder } }
    await using server = await startServer(['--data-dir', join(folder, 'data')], account)
    await upsert(['--data-dir', join(folder, 'data')], account)
    await server.login('users', EMAIL, PASSWORD)
    const [postgres = 0] = postmasters(folder)
    expect(readFileSync(`/proc/${postgres}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s+${nobody}\\b`, 'm'))
    // Root finds a folder that is not its own, and says whose it is.
    const other = startProgram('cli/superuser.ts', [
      'upsert',
      EMAIL,
      PASSWORD,
      '--data-dir',
      join(folder, 'data'),
    ])
    expect(await refused(other)).toContain(String(nobody))
    expect(await server.program.end()).toBe(0)
    await noPostgresLeft(folder)
  })
})

test('DATABASE_URL: a PostgreSQL of yours, which outlives the server', { timeout: 60_000 }, async () => {
  await using outside = await anotherPostgres()
  const env = { DATABASE_URL: outside.url }
  const folder = tempFolder()
  await using server = await startServer(['--data-dir', folder], { env })
  await upsert([], { env })
  const { token } = await server.login('users', EMAIL, PASSWORD)
  const path = '/api/collections/enrolment_tokens/records'
  const made = await server.call<{ id: string }>('POST', path, { token, body: { name: 'kept outside' } })
  expect(made.status).toBe(200)
  expect(existsSync(join(folder, 'pg'))).toBe(false)
  expect(await server.program.end()).toBe(0)

  await using again = await startServer(['--data-dir', tempFolder()], { env })
  expect(await again.call('GET', `${path}/${made.body.id}`, { token })).toMatchObject({
    status: 200,
    body: { name: 'kept outside' },
  })
})

/**
 * That of the distribution, or where there is none another one of ours. Both listen on a unix socket alone, which is
 * made reachable by TCP here.
 */
async function anotherPostgres(): Promise<{ url: string } & AsyncDisposable> {
  await using parts = new AsyncDisposableStack()
  const packaged = await startOutsidePostgres()
  let socket: string
  let name: string
  if (packaged) {
    parts.defer(packaged.stop)
    socket = new URL(packaged.url).searchParams.get('host') ?? ''
    name = 'tester@localhost/postgres'
  } else {
    const { connection } = parts.use(await startEmbedded({ dataDir: tempFolder() }))
    socket = connection.host
    name = `${connection.username}@localhost/${connection.database}`
  }
  const door = createTcpServer((client) => {
    const inside = connect(join(socket, '.s.PGSQL.5432'))
    // Each side hears of the other's end; how it came about is the server's business.
    for (const [from, to] of [
      [client, inside],
      [inside, client],
    ] as const)
      from.on('error', () => to.destroy()).pipe(to)
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  parts.defer(() => void door.close())
  const { port } = door.address() as AddressInfo
  const held = parts.move()
  return {
    url: `postgres://${name.replace('localhost', `127.0.0.1:${port}`)}`,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** An open realtime stream, which has said its client's id. */
async function openStream({ url }: ServerProcess): Promise<{ ended: Promise<void> }> {
  const response = await fetch(`${url}/api/realtime`)
  const reader = response.body?.getReader()
  const first = await reader?.read()
  expect(new TextDecoder().decode(first?.value)).toContain('PB_CONNECT')
  const ended = async () => {
    for (let done = false; !done; ) done = (await reader?.read())?.done ?? true
  }
  return { ended: ended() }
}

/** PostgreSQL's main processes on a folder: those that are no other one's child. */
function postmasters(folder: string): number[] {
  const all = postgresProcesses(folder)
  const parent = (pid: number) =>
    Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return all.filter((pid) => !all.includes(parent(pid)))
}

async function storedNames(server: ServerProcess, token: string): Promise<Set<string>> {
  const names = new Set<string>()
  for (let page = 1, pages = 1; page <= pages; page++) {
    const path = `/api/collections/enrolment_tokens/records?perPage=1000&page=${page}`
    type List = { totalPages: number; items: { name: string }[] }
    const { body } = await server.call<List>('GET', path, { token })
    pages = body.totalPages
    for (const { name } of body.items) names.add(name)
  }
  return names
}
