import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { endLeases } from '../../hooks/jobs/end-leases.ts'
import { expireOperations } from '../../hooks/jobs/expire-operations.ts'
import type { EnrolledAgent } from '../support/server.ts'
import { addContainer, addOperation, records, rowsOf, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
let agent: EnrolledAgent
/** The agent's token ends after an hour of this clock. */
const fresh = async () => {
  agent = await world.server.agent(await userToken(), { hostname: `host-${randomUUID()}` })
}
const userToken = async () => {
  const body = { identity: 'a@example.com', password: 'correct horse' }
  const path = '/api/collections/users/auth-with-password'
  return (await world.server.call<{ token: string }>('POST', path, { body })).body.token
}

beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  world.a.token = await userToken()
  await fresh()
})

const path = (id: string) => records('patch_operations', id)
const call = (method: string, where: string, token: string | undefined, body?: unknown) =>
  world.server.call(method, where, { token, body })
const claim = (id: string, name: string, token = agent.token) =>
  call('PATCH', path(id), token, { status: 'running', claim: name })
const report = (id: string, body: unknown, token = agent.token) =>
  call('POST', `/api/patches/${id}/result`, token, body)
const stored = async (id: string) => (await call('GET', path(id), world.a.token)).body
const ask = (body: Record<string, unknown> = {}) =>
  call('POST', '/api/patches', world.a.token, { agent_id: agent.id, mode: 'apply', ...body })
/** Targets taken by an apply; waiting dry runs hold places beside them. */
const locks = async () =>
  (await rowsOf(world.server, ['operation_locks'])).filter(
    (row) => row.includes(agent.id) && !row.includes('/dry-run/'),
  ).length

describe('an agent', () => {
  it('moves its operation to nothing but running through PATCH', async () => {
    const id = await addOperation(world.server, agent.id)
    for (const status of [
      'completed',
      'failed',
      'cancelled',
      'expired',
      'pending',
      '',
      'RUNNING',
      'x',
      null,
      true,
    ])
      expect(
        (await call('PATCH', path(id), agent.token, { status, claim: 'claim-one' })).status,
        `${status}`,
      ).toBe(400)
    expect((await call('PATCH', path(id), agent.token, {})).status).toBe(400)
    for (const name of ['', 'short', 'with space', 'x'.repeat(101), "a';--abcd", null, 5, ['claim-one']])
      expect(
        (await call('PATCH', path(id), agent.token, { status: 'running', claim: name })).status,
        `${name}`,
      ).toBe(400)
    expect(await stored(id)).toMatchObject({ status: 'pending', claim: '', started_at: '' })
  })

  it('changes nothing but status and claim when it claims', async () => {
    const id = await addOperation(world.server, agent.id)
    const before = await stored(id)
    const body = {
      status: 'running',
      claim: 'claim-one',
      mode: 'dry-run',
      script_sha256: 'f'.repeat(64),
      script_url: 'http://evil.example/x',
      script_id: '',
      script_args: '--evil',
      exclusions: ['evil'],
      packages: ['evil'],
      timeout_seconds: 61,
      'timeout_seconds+': 5,
      user_id: world.b.id,
      agent_id: world.b.agent.id,
      '+agent_id': world.b.agent.id,
      exit_code: 0,
      not_after: '2099-01-01',
      lease_expires_at: '2099-01-01',
      stdout_file: 'x.txt',
      outcome: 'already_done',
      id,
      created: '2000-01-01',
    }
    // A file that is not there is refused; the claim without it changes only what a claim changes.
    expect((await call('PATCH', path(id), agent.token, body)).status).toBe(400)
    const { stdout_file: _, ...claimed } = body
    expect((await call('PATCH', path(id), agent.token, claimed)).status).toBe(200)
    const after = await stored(id)
    const changed = Object.keys(after).filter(
      (name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]),
    )
    const allowed = new Set(['status', 'claim', 'started_at', 'lease_expires_at', 'updated'])
    expect(changed.filter((name) => !allowed.has(name))).toEqual([])
  })

  it('neither stores files with a claim nor brings any into the folder of another', async () => {
    const id = await addOperation(world.server, agent.id)
    const form = new FormData()
    form.set('status', 'running')
    form.set('claim', 'claim-one')
    form.set('stdout_file', new Blob(['early']), 'out.txt')
    const url = world.server.url + path(id)
    const answer = await fetch(url, { method: 'PATCH', headers: { authorization: agent.token }, body: form })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ status: 'running', stdout_file: '' })
  })

  it('does not report or claim what another agent of the same owner has', async () => {
    const other = await world.server.agent(world.a.token, { hostname: 'other' })
    const id = await addOperation(world.server, other.id)
    expect((await claim(id, 'claim-one')).status).toBe(404)
    expect((await report(id, { claim: 'claim-one', exit_code: 0 })).status).toBe(404)
    await claim(id, 'claim-one', other.token)
    expect((await claim(id, 'claim-one')).status).toBe(404)
    expect((await report(id, { claim: 'claim-one', exit_code: 0 })).status).toBe(404)
    expect(await stored(id)).toMatchObject({ status: 'running' })
  })

  it('cannot cancel, free or delete its operations', async () => {
    const id = await addOperation(world.server, agent.id)
    expect((await call('PATCH', '/api/patches', agent.token, { id, status: 'cancelled' })).status).toBe(400)
    expect((await call('PATCH', path(id), agent.token, { status: 'cancelled', force: true })).status).toBe(
      400,
    )
    expect((await call('DELETE', path(id), agent.token)).status).toBe(404)
    expect(await stored(id)).toMatchObject({ status: 'pending' })
  })

  it('reports only with its claim, and what it has not claimed not at all', async () => {
    const id = await addOperation(world.server, agent.id)
    expect((await report(id, { exit_code: 0 })).status).toBe(409)
    expect((await report(id, { exit_code: 0, claim: 'claim-one' })).status).toBe(409)
    await claim(id, 'claim-one')
    for (const wrong of [{ exit_code: 0 }, { exit_code: 0, claim: 'claim-two' }, { exit_code: 0, claim: '' }])
      expect((await report(id, wrong)).status).toBe(409)
    expect(await stored(id)).toMatchObject({ status: 'running' })
    for (const wrong of [{ exit_code: 'x' }, { exit_code: 1.5 }, { exit_code: 99999 }, { exit_code: [0, 1] }])
      expect((await report(id, { ...wrong, claim: 'claim-one' })).status, JSON.stringify(wrong)).toBe(400)
    expect((await report(id, { exit_code: 0, claim: 'claim-one' })).status).toBe(200)
  })

  it('is believed by exit code, and in words only where there is none; silence is a failure', async () => {
    const ends: [Record<string, unknown>, string][] = [
      [{ exit_code: 0, status: 'failed' }, 'completed'],
      [{ exit_code: 2 }, 'completed'],
      [{ exit_code: 1, status: 'completed' }, 'failed'],
      [{ exit_code: '0' }, 'completed'],
      [{ exit_code: '' }, 'failed'],
      [{ exit_code: null }, 'failed'],
      [{ status: 'completed' }, 'failed'],
      [{ status: 'cancelled' }, 'cancelled'],
      [{ status: 'pending' }, 'failed'],
      [{}, 'failed'],
    ]
    for (const [body, status] of ends) {
      const id = await addOperation(world.server, agent.id)
      await claim(id, 'claim-one')
      expect((await report(id, { ...body, claim: 'claim-one' })).status).toBe(200)
      expect(await stored(id), JSON.stringify(body)).toMatchObject({ status })
      expect(await locks()).toBe(0)
    }
  })

  it('is heard when its message or claim looks like a number in a form', async () => {
    const id = await addOperation(world.server, agent.id)
    await claim(id, '12345678')
    const form = new FormData()
    for (const [name, value] of Object.entries({ claim: '12345678', exit_code: '1', error_message: '404' }))
      form.set(name, value)
    const url = `${world.server.url}/api/patches/${id}/result`
    const answer = await fetch(url, { method: 'POST', headers: { authorization: agent.token }, body: form })
    expect(answer.status).toBe(200)
    expect(await stored(id)).toMatchObject({ status: 'failed', exit_code: 1, error_message: '404' })
  })

  it('keeps its first report: a later one with other words changes nothing', async () => {
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    await report(id, { claim: 'claim-one', exit_code: 0 })
    const before = await stored(id)
    expect((await report(id, { claim: 'claim-one', exit_code: 1, error_message: 'no' })).status).toBe(200)
    expect((await report(id, { claim: 'claim-two', exit_code: 1 })).status).toBe(409)
    expect((await claim(id, 'claim-one')).status).toBe(409)
    expect(await stored(id)).toEqual(before)
  })

  it('of old, without capability "claim", reports a pending operation once', async () => {
    const old = await world.server.agent(world.a.token, { hostname: 'old', capabilities: [] })
    const id = await addOperation(world.server, old.id)
    expect((await report(id, { exit_code: 0 }, old.token)).status).toBe(200)
    expect((await report(id, { exit_code: 1 }, old.token)).status).toBe(200)
    expect(await stored(id)).toMatchObject({ status: 'completed', exit_code: 0 })
  })
})

describe('a claim', () => {
  it('is had by exactly one of many that come at once', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await addOperation(world.server, agent.id, { mode: 'dry-run' })
      const names = Array.from({ length: 8 }, () => randomUUID())
      const answers = await Promise.all(names.map((name) => claim(id, name)))
      const won = answers.filter(({ status }) => status === 200)
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)])
      expect(await stored(id)).toMatchObject({ status: 'running', claim: won[0]?.body.claim })
    }
  })

  it('comes too late after not_after: 409, and the operation is expired and its target free', async () => {
    const { id, not_after } = (await ask({ mode: 'dry-run' })).body
    expect(not_after).not.toBe('')
    const soon = new Date(time.clock().getTime() + 300_000).toISOString()
    const late = (await ask({ not_after: soon })).body
    time.forward(301)
    expect(await claim(String(late.id), 'claim-one')).toMatchObject({ status: 409 })
    expect(await stored(String(late.id))).toMatchObject({ status: 'expired', claim: '' })
    expect(await locks()).toBe(0)
    expect((await report(String(late.id), { claim: 'claim-one', exit_code: 0 })).status).toBe(409)
    expect((await claim(String(id), 'claim-two')).status).toBe(200)
  })

  it('comes too early before not_before: 409 with the milliseconds to wait', async () => {
    const from = new Date(time.clock().getTime() + 60_000)
    const { id } = (await ask({ not_before: from.toISOString() })).body
    const early = await claim(String(id), 'claim-one')
    expect(early).toMatchObject({ status: 409, body: { retry_after_ms: 60_000 } })
    expect(await stored(String(id))).toMatchObject({ status: 'pending', claim: '' })
    time.forward(60)
    expect((await claim(String(id), 'claim-one')).status).toBe(200)
  })

  it('decides what runs: exceptions that expired meanwhile are out, new ones are in, the own ones stay', async () => {
    const soon = new Date(time.clock().getTime() + 60_000).toISOString()
    const except = (body: Record<string, unknown>) =>
      call('POST', records('package_exceptions'), world.a.token, { agent_id: agent.id, ...body })
    await except({ package_name: 'short-lived', expires_at: soon })
    const off = (await except({ package_name: 'switched-off' })).body.id
    const { id, exclusions } = (await ask({ exclusions: ['asked-for'] })).body
    expect(exclusions).toEqual(['asked-for', 'short-lived', 'switched-off'])
    time.forward(61)
    await call('PATCH', records('package_exceptions', String(off)), world.a.token, { is_active: false })
    await except({ package_name: 'new' })
    await except({ package_name: 'sleeping', is_active: false })
    const container = await addContainer(world.server, world.a.id, agent.id)
    await except({ package_name: 'of-container', lxc_id: container })
    const claimed = await claim(String(id), 'claim-one')
    expect(claimed.body).toMatchObject({
      exclusions: ['asked-for', 'new'],
      script_args: '--exclude asked-for,new',
    })
  })

  it('is refused on an operation that has been called off', async () => {
    const id = await addOperation(world.server, agent.id)
    await call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled' })
    expect((await claim(id, 'claim-one')).status).toBe(409)
  })
})

describe('a lease', () => {
  // The steady clock of the job goes with the tests' one.
  const sweeper = () => endLeases(() => time.clock().getTime())

  it('that runs out fails the operation but keeps its target; a renewal and a report bring it back', async () => {
    const { app } = world.server.server
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    const job = sweeper()
    await job.run(app)
    time.forward(91)
    await job.run(app)
    expect(await stored(id)).toMatchObject({ status: 'failed', outcome: 'lease_lost' })
    const second = await ask()
    expect(second).toMatchObject({ status: 409 })
    expect(second.body.message).toContain(id)
    expect((await claim(id, 'claim-two')).status).toBe(409)
    expect((await report(id, { claim: 'claim-two', exit_code: 0 })).status).toBe(409)
    expect(await claim(id, 'claim-one')).toMatchObject({
      status: 200,
      body: { status: 'running', outcome: '' },
    })
    expect((await report(id, { claim: 'claim-one', exit_code: 0 })).status).toBe(200)
    expect(await stored(id)).toMatchObject({ status: 'completed', outcome: '' })
    expect((await ask()).status).toBe(201)
  })

  it('that ran out while nobody could renew gets a full term first', async () => {
    const { app } = world.server.server
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    time.forward(1000)
    const job = sweeper()
    await job.run(app)
    expect(await stored(id)).toMatchObject({ status: 'running' })
    time.forward(89)
    await job.run(app)
    expect(await stored(id)).toMatchObject({ status: 'running' })
    time.forward(2)
    await job.run(app)
    expect(await stored(id)).toMatchObject({ status: 'failed', outcome: 'lease_lost' })
    expect((await report(id, { claim: 'claim-one', exit_code: 0 })).status).toBe(200)
  })

  it('is renewed by the same claim', async () => {
    const { app } = world.server.server
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    const job = sweeper()
    await job.run(app)
    for (let turn = 0; turn < 4; turn++) {
      time.forward(60)
      expect((await claim(id, 'claim-one')).status).toBe(200)
      await job.run(app)
    }
    expect(await stored(id)).toMatchObject({ status: 'running' })
    await report(id, { claim: 'claim-one', exit_code: 0 })
  })

  it('lost: the owner frees the target by force, only by force, and can then delete the operation', async () => {
    const { app } = world.server.server
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    const job = sweeper()
    await job.run(app)
    time.forward(91)
    await job.run(app)
    expect((await call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled' })).status).toBe(409)
    expect((await call('DELETE', path(id), world.a.token)).status).toBe(400)
    expect(
      (await call('PATCH', '/api/patches', world.b.token, { id, status: 'cancelled', force: true })).status,
    ).toBe(404)
    expect(await locks()).toBe(1)
    expect(
      (await call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled', force: true })).status,
    ).toBe(200)
    expect(await locks()).toBe(0)
    // Nor does the agent that comes back take the target again.
    expect((await claim(id, 'claim-one')).status).toBe(409)
    expect((await ask()).status).toBe(201)
    expect((await call('DELETE', path(id), world.a.token)).status).toBe(204)
  })

  it('lost: an agent whose live jobs do not name the operation frees the target', async () => {
    const { app } = world.server.server
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    const job = sweeper()
    await job.run(app)
    time.forward(91)
    await job.run(app)
    const beat = (jobs: unknown) =>
      call('POST', '/api/agent', agent.token, { action: 'ingest-metrics', system_metrics: {}, jobs })
    for (const jobs of [undefined, 'none', [id]]) {
      expect((await beat(jobs)).status).toBe(200)
      expect(await locks()).toBe(1)
    }
    await beat([])
    expect(await locks()).toBe(0)
  })
})

describe('the end of an operation', () => {
  it('is one of cancelled and completed when both come at once, and both callers are told the truth', async () => {
    for (let round = 0; round < 6; round++) {
      const id = await addOperation(world.server, agent.id)
      await claim(id, 'claim-one')
      const [cancelled, reported] = await Promise.all([
        call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled' }),
        report(id, { claim: 'claim-one', exit_code: 0 }),
      ])
      expect(reported.status).toBe(200)
      expect([200, 409]).toContain(cancelled?.status)
      expect(await stored(id)).toMatchObject({ status: 'completed', exit_code: 0 })
      expect(await locks()).toBe(0)
    }
  })

  it('is cancelled or claimed, never both, when both come at once', async () => {
    for (let round = 0; round < 6; round++) {
      const id = await addOperation(world.server, agent.id)
      const [cancelled, claimed] = await Promise.all([
        call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled' }),
        claim(id, 'claim-one'),
      ])
      const now = await stored(id)
      expect(cancelled.status).toBe(200)
      if (claimed.status === 200) {
        expect(now.status).toBe('running')
        expect(now.cancel_requested_at).not.toBe('')
        await report(id, { claim: 'claim-one', status: 'cancelled' })
      } else expect(now.status).toBe('cancelled')
      expect(await locks()).toBe(0)
    }
  })

  it('comes by itself when nobody takes it in time', async () => {
    const id = await addOperation(world.server, agent.id)
    time.forward(24 * 3600 + 1)
    await expireOperations.run(world.server.server.app)
    world.a.token = await userToken()
    expect(await stored(id)).toMatchObject({ status: 'expired' })
    expect(await locks()).toBe(0)
  })

  it('is set by its owner to nothing but cancelled', async () => {
    const id = await addOperation(world.server, agent.id)
    for (const status of ['running', 'completed', 'failed', 'expired', '', 5])
      expect((await call('PATCH', path(id), world.a.token, { status })).status, `${status}`).toBe(400)
    expect((await call('DELETE', path(id), world.a.token)).status).toBe(400)
    const other = {
      mode: 'dry-run',
      script_args: 'x',
      exclusions: ['x'],
      claim: 'mine-mine',
      timeout_seconds: 99,
    }
    const before = await stored(id)
    expect((await call('PATCH', path(id), world.a.token, other)).status).toBe(200)
    expect({ ...(await stored(id)), updated: '' }).toEqual({ ...before, updated: '' })
  })

  it('with its log stays as it is when the owner sends a file', async () => {
    const id = await addOperation(world.server, agent.id)
    await claim(id, 'claim-one')
    const upload = (method: string, where: string, token: string, text: string) => {
      const form = new FormData()
      form.set('claim', 'claim-one')
      form.set('stdout_file', new Blob([text]), 'out.txt')
      return fetch(world.server.url + where, { method, headers: { authorization: token }, body: form })
    }
    expect((await upload('POST', `/api/patches/${id}/result`, agent.token, 'the truth')).status).toBe(200)
    const { stdout_file } = await stored(id)
    expect((await upload('PATCH', path(id), world.a.token, 'a lie')).status).toBe(200)
    expect((await stored(id)).stdout_file).toBe(stdout_file)
    const url = `${world.server.url}/api/files/patch_operations/${id}/${String(stdout_file)}`
    expect(await (await fetch(url, { headers: { authorization: world.a.token } })).text()).toBe('the truth')
  })
})

describe('a request for an operation', () => {
  it('leaves room for one mutating operation per target, of many that come at once', async () => {
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(Array.from({ length: 6 }, () => ask()))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(5).fill(409)])
      const id = answers.find(({ status }) => status === 201)?.body.id
      await call('PATCH', '/api/patches', world.a.token, { id, status: 'cancelled' })
    }
  })

  it('decides nothing about how it will end', async () => {
    const body = {
      agent_id: agent.id,
      mode: 'dry-run',
      status: 'completed',
      claim: 'claim-one',
      exit_code: 0,
      outcome: 'already_done',
      script_sha256: 'f'.repeat(64),
      script_url: 'http://evil.example/',
      script_args: '--evil',
      lease_expires_at: '2099-01-01',
      requested_exclusions: ['evil'],
      vmid: 7,
      result: { a: 1 },
    }
    for (const where of [records('patch_operations'), '/api/patches']) {
      const answer = await call('POST', where, world.a.token, body)
      expect(answer.body).toMatchObject({
        status: 'pending',
        claim: '',
        exit_code: null,
        outcome: '',
        script_args: '--dry-run',
        lease_expires_at: '',
        requested_exclusions: [],
        vmid: 0,
        result: null,
      })
      expect(answer.body.script_sha256).not.toBe(body.script_sha256)
      expect(answer.body.script_url).toMatch(/^\/api\/files\/scripts\//)
    }
  })

  it('has at most three dry runs waiting per target', async () => {
    for (let count = 0; count < 3; count++) expect((await ask({ mode: 'dry-run' })).status).toBe(201)
    expect((await ask({ mode: 'dry-run' })).status).toBe(409)
    const container = await addContainer(world.server, world.a.id, agent.id)
    expect((await ask({ mode: 'dry-run', lxc_id: container })).status).toBe(201)
  })

  it('has no fourth dry run waiting when ten are asked for at once; a claimed one makes place', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ mode: 'dry-run' })))
    const made = answers.filter(({ status }) => status === 201)
    expect(made.length).toBeGreaterThan(0)
    expect(made.length).toBeLessThanOrEqual(3)
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true)
    for (let count = made.length; count < 3; count++)
      expect((await ask({ mode: 'dry-run' })).status).toBe(201)
    expect((await ask({ mode: 'dry-run' })).status).toBe(409)
    await claim(String(made[0]?.body.id), 'claim-one')
    expect((await ask({ mode: 'dry-run' })).status).toBe(201)
  })

  it('is refused where it can never be taken: a revoked agent', async () => {
    await call('POST', '/api/agent', world.a.token, { action: 'revoke', agent_id: agent.id })
    expect((await ask()).status).toBe(409)
  })
})
