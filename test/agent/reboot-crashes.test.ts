import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { FakeInit } from '../support/fake-init.ts'
import type { RebootRow } from '../support/stand-in-reboots.ts'
import { type Seen, StandIn } from '../support/stand-in-server.ts'

const isAcknowledgement = ({ path }: Seen) => path.endsWith('/acknowledge')
const over = (server: StandIn, row: RebootRow) =>
  server.until(`the end of reboot ${row.id}`, () => server.reboots.isOver(row))
/** A later piece of work is done: what could have happened before it has. */
const next = async (server: StandIn) => server.resultOf(server.order('echo next').id)

/** What an agent before this one has written down. */
const leave = (host: FakeInit, row: RebootRow, fields: Record<string, unknown>) => {
  const folder = join(host.state.folder, 'reboots')
  mkdirSync(folder, { recursive: true })
  const now = new Date().toISOString()
  const all = { id: row.id, timeoutSeconds: 60, bootId: host.bootId, createdAt: now, ...fields }
  writeFileSync(join(folder, `${row.id}.json`), JSON.stringify(all))
  return all
}

test('the answer to the acknowledgement is lost: asked again, one restart', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  let lost = 0
  server.after = (seen) => (isAcknowledgement(seen) && lost++ < 3 ? 'cut' : undefined)
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(server.requests('POST', /acknowledge$/)).toHaveLength(4)
  expect(host.orders).toHaveLength(1)
})

test('no answer at all: nothing is restarted until there is one', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  let open = false
  server.after = (seen) => (isAcknowledgement(seen) && !open ? 'cut' : undefined)
  const row = server.reboots.order()
  host.start()
  await host.agent.says(/The work could not be gone on with now/)
  expect(host.orders).toEqual([])
  open = true
  await over(server, row)
  expect(row.status).toBe('completed')
  expect(host.orders).toHaveLength(1)
})

test.each(['before', 'after'] as const)(
  'killed while it acknowledges (%s the server heard): the next start asks again, one restart',
  async (moment) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url)
    let killed = false
    server[moment] = (seen) => {
      if (!isAcknowledgement(seen) || killed) return undefined
      killed = true
      host.agent.child.kill('SIGKILL')
      return 'cut'
    }
    const row = server.reboots.order()
    await host.start().exit()
    expect(row.status, host.output).toBe(moment === 'before' ? 'sent' : 'rebooting')
    expect(host.orders).toEqual([])
    host.start()
    await over(server, row)
    expect(row.status).toBe('completed')
    expect(host.orders).toHaveLength(1)
  },
)

test('killed while it acknowledges, and the machine restarts by itself: it does not restart again', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  let killed = false
  server.after = (seen) => {
    if (!isAcknowledgement(seen) || killed) return undefined
    killed = true
    host.agent.child.kill('SIGKILL')
    return 'cut'
  }
  const row = server.reboots.order()
  await host.start().exit()
  await host.restart()
  await over(server, row)
  expect(row.status).toBe('completed')
  await next(server)
  expect(host.orders).toEqual([])
})

test('killed between the acknowledgement and the command: it does not happen, and that is said', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const row = server.reboots.order({ status: 'rebooting', boot_id_before: host.bootId })
  leave(host, row, { state: 'acknowledged', acknowledgedAt: new Date().toISOString() })
  host.start()
  await over(server, row)
  expect(row).toMatchObject({
    status: 'failed',
    error_message: 'The agent was restarted before it could give the command to reboot.',
  })
  await next(server)
  expect(host.orders).toEqual([])
})

test('killed after the command: the machine goes down, and the next boot tells', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  host.obey('hang')
  const row = server.reboots.order()
  host.start()
  await host.ordered()
  await host.agent.stop('SIGKILL')
  await host.restart()
  await over(server, row)
  expect(row.status).toBe('completed')
  await next(server)
  expect(host.orders).toHaveLength(1)
})

test('killed after a command that did nothing: it is not given again, and that is said in the end', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, { stillUpMs: 2_000 })
  host.obey('ignore')
  const row = server.reboots.order({ timeout_seconds: 0.1 })
  host.start()
  await host.ordered()
  await host.agent.stop('SIGKILL')
  host.start()
  await over(server, row)
  expect(row).toMatchObject({ status: 'failed', error_message: expect.stringMatching(/still up 2 s after/) })
  await next(server)
  expect(host.orders).toHaveLength(1)
})

test.each(['acknowledging', 'acknowledged', 'executing'])(
  'left %s in another boot: nothing is restarted, and the heartbeat proves it',
  async (state) => {
    await using server = await StandIn.start()
    await using host = new FakeInit(server.url)
    const row = server.reboots.order({ status: 'rebooting', boot_id_before: 'the boot before' })
    leave(host, row, { state, bootId: 'the boot before', acknowledgedAt: new Date().toISOString() })
    host.start()
    await over(server, row)
    expect(row.status).toBe('completed')
    await next(server)
    expect(host.orders).toEqual([])
    expect(server.requests('POST', /acknowledge$|fail$/)).toEqual([])
  },
)

test('acknowledged in vain: the server has closed it meanwhile, and it is forgotten', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const row = server.reboots.order({ status: 'timeout' })
  leave(host, row, { state: 'acknowledging' })
  host.start()
  await next(server)
  expect(readdirSync(join(host.state.folder, 'reboots'))).toEqual([])
  expect(host.orders).toEqual([])
})

test('the state folder is lost between acknowledgement and restart: said, and nothing is restarted', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const row = server.reboots.order({ status: 'rebooting', boot_id_before: host.bootId })
  host.start()
  await over(server, row)
  expect(row.error_message).toMatch(/has lost its memory of this reboot/)
  expect(host.orders).toEqual([])
})

test('the failure does not get through: it is reported again, and at the next start as well', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  host.obey('fail')
  let open = false
  server.before = ({ path }) => (path.endsWith('/fail') && !open ? 500 : undefined)
  const row = server.reboots.order()
  await host.start().says(/The failed reboot was not reported and is reported again/)
  await next(server)
  await host.agent.stop('SIGKILL')
  open = true
  host.start()
  await over(server, row)
  expect(row).toMatchObject({ status: 'failed', error_message: expect.stringContaining('Access denied') })
  expect(host.orders).toHaveLength(1)
})

test('a permit that has grown old restarts nothing', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, { startWithinMs: 0.001 })
  const row = server.reboots.order()
  host.start()
  await over(server, row)
  expect(row.error_message).toMatch(
    /^The acknowledgement was \d+ ms old when the command was about to be given/,
  )
  await next(server)
  expect(host.orders).toEqual([])
})

test('what it does is on the disk before it is done', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const file = (id: string) => join(host.state.folder, 'reboots', `${id}.json`)
  const read = (id: string) => JSON.parse(readFileSync(file(id), 'utf8'))
  host.install('systemctl', 'cp "$root"/../reboots/*.json "$root/seen"')
  const states: unknown[] = []
  server.before = (seen) => {
    if (isAcknowledgement(seen)) states.push(read(row.id))
    return undefined
  }
  const row = server.reboots.order()
  const bootId = host.bootId
  host.start()
  await over(server, row)
  expect(states).toMatchObject([{ state: 'acknowledging', bootId }])
  const seen = JSON.parse(readFileSync(join(host.root, 'seen'), 'utf8'))
  expect(seen).toMatchObject({ id: row.id, state: 'executing', bootId })
  expect(Date.parse(seen.executedAt)).toBeGreaterThanOrEqual(Date.parse(seen.acknowledgedAt))
  await next(server)
  expect(read(row.id)).toMatchObject({ state: 'done', bootId })
})

test('killed again and again at any moment: at most one restart for each reboot, and each has an end', {
  timeout: 120_000,
}, async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url, { stillUpMs: 1_500 })
  let seed = 7
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  const outcomes: string[] = []
  for (let round = 0; round < 8; round++) {
    host.obey(random() < 0.3 ? 'ignore' : 'restart')
    const before = host.orders.length
    if (host.agents.length > 0) await host.agent.stop('SIGKILL')
    const row = server.reboots.order({ timeout_seconds: 0.1 })
    for (let kill = 0; kill < 2; kill++) {
      host.start()
      // From before its first word to well after its command.
      await Promise.race([over(server, row), sleep(150 + random() * 700)])
      if (!server.reboots.isOver(row)) await host.agent.stop('SIGKILL')
      await host.settled()
    }
    if (host.agent.child.signalCode !== null) host.start()
    await over(server, row)
    outcomes.push(row.status)
    expect(host.orders.length - before).toBeLessThanOrEqual(1)
    if (row.status === 'completed') expect(host.orders.length - before).toBe(1)
  }
  expect(outcomes).toContain('completed')
})
