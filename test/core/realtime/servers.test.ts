/** Several server processes on one database: what one commits, the streams of all hear. */

import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type EventStream, openStream } from '../../api/event-stream.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { addUser, done, enrol, type Fleet, MODES, type Mode, PASSWORD, startFleet } from './fleet.ts'

const TOPIC = 'package_exceptions/*'
const EXCEPTIONS = '/api/collections/package_exceptions/records'

const fleetOf = async (mode: Mode, size: number): Promise<Fleet> => {
  const fleet = await startFleet(mode, size)
  onTestFinished(() => fleet[Symbol.asyncDispose]())
  return fleet
}

const listen = async (server: ServerProcess, token: string, topic = TOPIC): Promise<EventStream> => {
  const stream = await openStream(server)
  expect(await stream.subscribe([topic], token)).toBe(204)
  return stream
}

const write = (fleet: Fleet, server: ServerProcess | undefined, name: string, agent = fleet.agent) => {
  if (!server) throw new Error('There is no such server.')
  const body = { agent_id: agent.id, package_name: name, is_active: false }
  return done(server.call('POST', EXCEPTIONS, { token: fleet.user.token, body }))
}

const nameOf = ({ json }: { json: Record<string, unknown> }) =>
  (json as { record?: { package_name?: string } }).record?.package_name
/** Package names in the order in which the stream had them. */
const namesOf = (stream: EventStream): string[] =>
  stream.changes().map(({ record }) => String(record.package_name))
const hears = (stream: EventStream, name: string) => stream.next((event) => nameOf(event) === name)

/**
 * Writers at all servers at once, each waiting for its answers, and one chain whose links are written at one server
 * after the other. The streams must have everything once, and what was answered before something began, before it.
 */
async function storm(fleet: Fleet, streams: EventStream[], during: () => Promise<void>): Promise<void> {
  const { servers } = fleet
  const WRITERS = 6
  const WRITES = 60
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let at = 0; at < WRITES; at++)
      await write(fleet, servers[writer % servers.length], `w${writer}-${at}`)
  })
  const chain = async () => {
    for (let at = 0; at < WRITES; at++) await write(fleet, servers[at % servers.length], `chain-${at}`)
  }
  await Promise.all([...writers, chain(), during()])
  await write(fleet, servers[0], 'last')
  const sequence = (prefix: string) => Array.from({ length: WRITES }, (_, at) => `${prefix}-${at}`)
  for (const stream of streams) {
    await hears(stream, 'last')
    const names = namesOf(stream)
    for (const prefix of ['chain', ...writers.map((_, writer) => `w${writer}`)])
      expect(names.filter((name) => name.startsWith(`${prefix}-`))).toEqual(sequence(prefix))
    expect(names.filter((name) => name === 'last')).toHaveLength(1)
  }
}

/** Statements beside those of the servers. */
const beside = async <T>(fleet: Fleet, work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
  const sql = postgres({ ...connectionOf(fleet.databaseUrl), max: 1 })
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}

const terminateListeners = (fleet: Fleet): Promise<number> =>
  beside(fleet, async (sql) => {
    const ended = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'patchbase-doorbell' and datname = current_database()`
    return ended.length
  })

/** How many connections the servers have, by what they are for. */
const connectionsOf = (fleet: Fleet) =>
  beside(fleet, async (sql) => {
    const rows = await sql<{ name: string; count: number }[]>`
      select application_name as name, count(*)::int as count from pg_stat_activity
      where application_name like 'patchbase%' and datname = current_database() group by 1`
    return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
  })

const connectionOf = (databaseUrl: string) => {
  const url = new URL(databaseUrl)
  return {
    host: url.searchParams.get('host') ?? url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    username: url.username,
    password: decodeURIComponent(url.password),
  }
}

describe.for(MODES)('by %s', { timeout: 60_000 }, (mode) => {
  test('what is written at one server is heard at the other at once', async () => {
    const fleet = await fleetOf(mode, 2)
    const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
    const stream = await listen(b, fleet.user.token)
    const waits: number[] = []
    for (let at = 0; at < 20; at++) {
      const begin = performance.now()
      await write(fleet, a, `once-${at}`)
      await hears(stream, `once-${at}`)
      waits.push(performance.now() - begin)
    }
    // Only the server that holds the stream knows it.
    const body = { clientId: stream.clientId, subscriptions: [TOPIC] }
    expect((await a.call('POST', '/api/realtime', { token: fleet.user.token, body })).status).toBe(404)
    // The look that comes each second would make it half of one on average.
    waits.sort((one, other) => one - other)
    expect(waits[10]).toBeLessThan(150)
  })

  test('three servers, seven writers: each stream has every event once, in order', async () => {
    const fleet = await fleetOf(mode, 3)
    const streams = await Promise.all(fleet.servers.map((server) => listen(server, fleet.user.token)))
    await storm(fleet, streams, async () => undefined)
    // The budget in docs/architecture.md.
    const { patchbase = 0, ...others } = await connectionsOf(fleet)
    expect(patchbase).toBeLessThanOrEqual(3 * 10)
    const shared = { 'patchbase-doorbell': 3, 'patchbase-queue': 3, 'patchbase-jobs': 3 }
    expect(others).toEqual(mode === 'postgres' ? shared : {})
  })

  test('nothing is lost, doubled or out of order when the doorbell breaks meanwhile', async () => {
    const fleet = await fleetOf(mode, 2)
    const streams = await Promise.all(fleet.servers.map((server) => listen(server, fleet.user.token)))
    const breakIt = async () => {
      if (fleet.redis) {
        await fleet.redis.kill()
        // Until an event has come without it.
        await write(fleet, fleet.servers[0], 'meanwhile')
        await Promise.all(streams.map((stream) => hears(stream, 'meanwhile')))
        await fleet.redis.start()
      } else expect(await terminateListeners(fleet)).toBe(2)
    }
    await storm(fleet, streams, breakIt)
    const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
    for (const { program } of [a, b]) expect(program.running).toBe(true)
  })

  test('a server that is killed takes its streams along and nobody else', async () => {
    const fleet = await fleetOf(mode, 3)
    const [a, b, c] = fleet.servers as [ServerProcess, ServerProcess, ServerProcess]
    const streams = await Promise.all([a, b].map((server) => listen(server, fleet.user.token)))
    const atC = await listen(c, fleet.user.token)
    fleet.servers.pop()
    const answered: string[] = []
    const killed = async () => {
      const ended: unknown[] = []
      // In the middle of its writes: what it has answered counts, the rest may or may not have happened.
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let at = 0; ended.length === 0; at++) {
          const written = await write(fleet, c, `c${writer}-${at}`).catch((error) => ended.push(error))
          if (typeof written === 'object') answered.push(String(written.package_name))
        }
      })
      await hears(atC, 'chain-20')
      await c.program.end('SIGKILL')
      await Promise.all([...writers, atC.ended])
    }
    await storm(fleet, streams, killed)
    expect(answered.length).toBeGreaterThan(8)
    for (const stream of streams) {
      const names = namesOf(stream)
      expect(new Set(names).size).toBe(names.length)
      expect(names).toEqual(expect.arrayContaining(answered))
    }
    const d = await fleet.join()
    const atD = await listen(d, fleet.user.token)
    await write(fleet, b, 'after')
    await hears(atD, 'after')
    expect(namesOf(atD)).toEqual(['after'])
  })
})

describe.for(MODES)('a revocation, by %s', { timeout: 120_000 }, (mode) => {
  test('of an agent at one server: its stream at the other hears nothing of later', async () => {
    const ROUNDS = 200
    const fleet = await fleetOf(mode, 2)
    const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
    const witness = await listen(b, fleet.user.token)
    const streams: EventStream[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const agent = await enrol(a, fleet.user)
      const stream = await listen(b, agent.token)
      await write(fleet, a, `allowed-${round}`, agent)
      await hears(stream, `allowed-${round}`)
      const path = `/api/collections/agents/records/${agent.id}`
      await done(a.call('PATCH', path, { token: fleet.user.token, body: { status: 'revoked' } }))
      await write(fleet, round % 2 ? a : b, `late-${round}`, agent)
      await hears(witness, `late-${round}`)
      streams.push(stream)
    }
    // Judged at the end: by now whatever was sent has come.
    for (const [round, stream] of streams.entries()) expect(namesOf(stream)).toEqual([`allowed-${round}`])
  })

  test('of a token by a new password at one server: the same', async () => {
    const fleet = await fleetOf(mode, 2)
    const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
    const witness = await listen(b, fleet.root.token)
    const streams: EventStream[] = []
    for (let round = 0; round < 10; round++) {
      const user = await addUser(a, fleet.root, `user-${round}@example.com`)
      const agent = await enrol(b, user)
      const stream = await listen(b, user.token)
      const own = (name: string, server: ServerProcess) => {
        const body = { agent_id: agent.id, package_name: name, is_active: false }
        return done(server.call('POST', EXCEPTIONS, { token: fleet.root.token, body }))
      }
      await own(`allowed-${round}`, a)
      await hears(stream, `allowed-${round}`)
      const body = { password: 'another horse', passwordConfirm: 'another horse', oldPassword: PASSWORD }
      const path = `/api/collections/users/records/${user.id}`
      await done(a.call('PATCH', path, { token: user.token, body }))
      await own(`late-${round}`, round % 2 ? a : b)
      await hears(witness, `late-${round}`)
      streams.push(stream)
      const refreshed = await b.call('POST', '/api/collections/users/auth-refresh', { token: user.token })
      expect(refreshed.status).toBe(401)
    }
    for (const [round, stream] of streams.entries()) expect(namesOf(stream)).toEqual([`allowed-${round}`])
  })
})

test('tokens, accounts and files of one server are those of all', { timeout: 60_000 }, async () => {
  const fleet = await fleetOf('postgres', 2)
  const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
  const form = new FormData()
  form.set('name', 'shared')
  form.set('platform_family', 'debian')
  form.set('file', new File(['#!/bin/sh\necho shared\n'], 'update.sh'))
  const path = '/api/collections/scripts/records'
  const headers = { authorization: fleet.root.token }
  const uploaded = await fetch(a.url + path, { method: 'POST', body: form, headers })
  const { id, file } = (await uploaded.json()) as { id: string; file: string }
  const { token } = await done(a.call('POST', '/api/files/token', { token: fleet.user.token }))
  const download = await fetch(`${b.url}/api/files/scripts/${id}/${file}?token=${token}`)
  expect([download.status, await download.text()]).toEqual([200, '#!/bin/sh\necho shared\n'])
  // They have put the scripts they bring along into one database at the same time.
  const built = await done(b.call('GET', `${path}?filter=built_in=true&perPage=100`, fleet.user))
  const names = (built.items as { name: string; platform_family: string }[]).map(
    (script) => `${script.platform_family}/${script.name}`,
  )
  expect(names.length).toBeGreaterThan(0)
  expect(new Set(names).size).toBe(names.length)
  expect((await b.call('POST', '/api/collections/users/auth-refresh', fleet.user)).status).toBe(200)
})

test('a stream that is given topics while its agent is being revoked hears nothing of later', {
  timeout: 60_000,
}, async () => {
  const fleet = await fleetOf('postgres', 2)
  const [a, b] = fleet.servers as [ServerProcess, ServerProcess]
  const agent = await enrol(a, fleet.user)
  const [stream, witness] = [await openStream(b), await listen(b, fleet.user.token)]
  const body = JSON.stringify({ clientId: stream.clientId, subscriptions: [TOPIC] })
  // The request has been let in, and its body comes after the revocation.
  const answered = slowly(b, agent.token, body, async () => {
    const path = `/api/collections/agents/records/${agent.id}`
    await done(a.call('PATCH', path, { token: fleet.user.token, body: { status: 'revoked' } }))
    await write(fleet, a, 'heard')
    await hears(witness, 'heard')
  })
  expect(await answered).toMatch(/^HTTP\/1.1 [24]0/)
  await write(fleet, b, 'late', agent)
  await hears(witness, 'late')
  await write(fleet, b, 'fence')
  await hears(witness, 'fence')
  expect(namesOf(stream)).toEqual([])
})

/** Posts topics in two pieces, and does something between them; resolves with the answer. */
async function slowly(
  { url }: ServerProcess,
  token: string,
  body: string,
  between: () => Promise<void>,
): Promise<string> {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  const head = `POST /api/realtime HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\n`
  const type = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n`
  socket.write(`${head}${type}\r\n${body.slice(0, 10)}`)
  // Nothing says when the server has read who it is.
  await wait(50)
  await between()
  socket.write(body.slice(10))
  return (await socket.toArray()).join('')
}
