/** What the comparison with PocketBase measures with. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { compare } from '../../bench/compare.ts'
import { openConnection, requestBytes } from '../../bench/connection.ts'
import type { Contestant } from '../../bench/contestant.ts'
import { cpuOfTree, memoryOfTree } from '../../bench/cpu.ts'
import { hear, topicOf } from '../../bench/realtime.ts'
import { table } from '../../bench/report.ts'
import { subscribe } from '../../bench/subscriber.ts'
import { startTestServer } from '../support/server.ts'

const portOf = (server: Server) => (server.address() as AddressInfo).port

test('a connection reads answers of every kind, one after the other', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/none') response.writeHead(204).end()
    else if (request.url === '/pieces') {
      response.write('{"a":')
      setImmediate(() => response.end('1}'))
    } else response.setHeader('Content-Length', 2).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const connection = await openConnection(portOf(server), '127.0.0.2')
  const ask = (path: string) => connection.send(requestBytes('GET', path, ''))
  expect(await ask('/none')).toEqual({ status: 204, body: '' })
  expect((await ask('/pieces')).body).toContain('"a":')
  expect(await ask('/whole')).toEqual({ status: 200, body: '{}' })
  connection.close()
})

test('events are heard by the one who matches, and their cost is measured', async () => {
  const server = await startTestServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const user = await server.user('bench@example.com')
  const agent = await server.agent(user.token)
  const contestant: Contestant = {
    name: 'Patchbase',
    version: '',
    pid: process.pid,
    port: Number(new URL(server.url).port),
    token: user.token,
    agentId: agent.id,
    exception: (name) => ({ agent_id: agent.id, package_name: name, is_active: false }),
  }
  let heard = 0
  const others = await subscribe(contestant, [topicOf(1), topicOf(2)], () => heard++)
  const { latencies, cpu } = await hear(contestant, 30)
  expect(latencies.length).toBeGreaterThanOrEqual(5)
  expect(cpu).toBeGreaterThan(0)
  expect(heard).toBe(0)
  others.check()
  server.server.app.realtime.close()
  await vi.waitFor(() => expect(others.check).toThrow('The server ended a stream.'))
  await others.close()
})

test('processor time and memory are those of a process and its children', () => {
  const before = cpuOfTree(process.pid)
  for (const end = performance.now() + 60; performance.now() < end; );
  expect(cpuOfTree(process.pid)).toBeGreaterThan(before)
  expect(memoryOfTree(process.pid)).toBeGreaterThan(10_000)
})

test('the table says which goals are reached', async () => {
  const figures = { rate: [300, 100], cost: [2, 8] }
  const benchmark = {
    title: 'a title',
    rows: {
      rate: { label: 'rate', better: 'more', goal: 5 },
      cost: { label: 'cost', better: 'less', goal: 4, most: 1 },
    },
    rounds: 1,
    measure: async ({ name }: Contestant) => {
      const at = name === 'ours' ? 0 : 1
      return { rate: figures.rate[at] ?? 0, cost: figures.cost[at] ?? 0 }
    },
  } as const
  const named = (name: string) => ({ name }) as Contestant
  const text = table(benchmark.title, await compare(benchmark, named('ours'), named('theirs')))
  expect(text).toMatch(/rate +300 +100 +3\.00 .*goal 5: MISSED/)
  expect(text).toMatch(/cost +2\.00 +8\.00 +4\.00 .*goal 4: reached {2}goal <= 1: MISSED/)
})
