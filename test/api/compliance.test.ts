import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ageEvidence } from '../../hooks/jobs/age-evidence.ts'
import { endLeases } from '../../hooks/jobs/end-leases.ts'
import { entry, printedResult } from '../hooks/operations/printed.ts'
import type { EnrolledAgent } from '../support/server.ts'
import { openStream } from './event-stream.ts'
import { runWorld } from './run-world.ts'
import { addContainer, addOperation, startWorld, testClock, type World } from './world.ts'

const DAY = 24 * 3600
const time = testClock()
let world: World
let agent: EnrolledAgent
let host: ReturnType<typeof runWorld>

beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  const token = await runWorld(world.server, world.a.agent).userToken(world.a.id)
  agent = await world.server.agent(token, { hostname: `host-${randomUUID()}` })
  host = runWorld(world.server, agent)
})

type Run = { exit?: number; printed?: unknown; fields?: Record<string, string> }
/** One operation from the wish to its report. */
async function run(operation: Record<string, unknown>, { exit, printed, fields }: Run) {
  const id = await addOperation(world.server, agent.id, operation)
  await host.claim(id)
  time.forward(60)
  const exitCode: Record<string, string> = exit === undefined ? {} : { exit_code: String(exit) }
  expect((await host.report(id, { ...exitCode, ...fields }, printed)).status).toBe(200)
  return host.operation(id)
}
const dryRun = (printed: unknown, exit = 0, more = {}) => run({ mode: 'dry-run', ...more }, { exit, printed })
const applied = (printed: unknown, exit = 0, more = {}) => run({ mode: 'apply', ...more }, { exit, printed })
const now = () => time.clock().toISOString().replace('T', ' ')

const found = (count: number, more: Record<string, unknown> = {}) =>
  printedResult(
    Array.from({ length: count }, (_, at) => entry(`package-${at}`, { security: at === 0 })),
    more,
  )
const nothing = (more: Record<string, unknown> = {}) => printedResult([], more)
const upgraded = (count: number, more: Record<string, unknown> = {}) => {
  const result = found(count, { dry_run: false, ...more })
  return { ...result, upgraded: result.packages, ...more }
}

const GREEN = { compliance: 'up_to_date', updates_available: 0, security_updates: 0 }
const AMBER = { compliance: 'updates_available', updates_available: 3, security_updates: 1 }
const green = async () => {
  await dryRun(nothing(), 2)
  expect(await host.agent()).toMatchObject(GREEN)
}
const amber = async () => {
  await dryRun(found(3))
  expect(await host.agent()).toMatchObject(AMBER)
}

describe('a host', () => {
  it('of which nothing is known is unknown', async () => {
    expect(await host.agent()).toMatchObject({
      ...{ compliance: 'unknown', updates_available: null, security_updates: null, checked_at: '' },
    })
  })

  it('is up to date after a dry run that asked every repository and found nothing', async () => {
    const started = now()
    const operation = await dryRun(nothing(), 2)
    expect(operation).toMatchObject({ status: 'completed', updates_available: 0 })
    expect(await host.agent()).toMatchObject({ ...GREEN, checked_at: started })
  })

  it('is up to date after everything was upgraded, or there was nothing to upgrade', async () => {
    await amber()
    await applied(upgraded(3))
    expect(await host.agent()).toMatchObject(GREEN)
    await amber()
    await applied(nothing({ dry_run: false }), 2)
    expect(await host.agent()).toMatchObject(GREEN)
  })

  it('has updates when a dry run found some; new dependencies, held and excluded ones are not counted', async () => {
    const packages = [entry('a'), entry('b', { security: false }), entry('new', { new_dependency: true })]
    await dryRun({
      ...printedResult(packages),
      updates_available: 2,
      held: [entry('c')],
      excluded: [entry('d')],
    })
    expect(await host.agent()).toMatchObject({
      ...{ compliance: 'updates_available', updates_available: 2, security_updates: 1 },
    })
    await dryRun(nothing({ held: [entry('c')], excluded: [entry('d')] }), 2)
    expect(await host.agent()).toMatchObject(GREEN)
  })

  it('has no number of security updates where its family cannot tell', async () => {
    await dryRun(printedResult([entry('a', { security: null }), entry('b', { security: null })]))
    expect(await host.agent()).toMatchObject({ updates_available: 2, security_updates: null })
    await dryRun(printedResult([entry('a', { security: true }), entry('b', { security: null })]))
    expect(await host.agent()).toMatchObject({ updates_available: 2, security_updates: 1 })
  })

  it('is unknown after a run that failed, and keeps what the last evidence was', async () => {
    const fails: Run[] = [
      { exit: 101, printed: found(1, { evidence: { refreshed: false }, error: 'No route to host.' }) },
      { exit: 102, printed: nothing({ error: 'Locked.' }) },
      { exit: 104, printed: { ...upgraded(1), failed: [entry('x')], error: 'x' } },
      { exit: 1, printed: nothing() },
      { exit: 137 },
      { exit: 100, printed: 'Segmentation fault\n' },
      { fields: { status: 'failed' } },
      { fields: { status: 'failed', outcome: 'interrupted' } },
      { fields: { status: 'failed', outcome: 'timeout' } },
    ]
    for (const mode of ['dry-run', 'apply'])
      for (const fail of fails) {
        await green()
        const { checked_at } = await host.agent()
        expect(await run({ mode }, fail), JSON.stringify(fail)).toMatchObject({ status: 'failed' })
        expect(await host.agent(), JSON.stringify(fail)).toMatchObject({
          ...GREEN,
          compliance: 'unknown',
          checked_at,
        })
      }
  })

  it('is unknown after an apply that was killed on request, or taken back', async () => {
    const boot_id = randomUUID()
    const ends: Run[] = [
      { fields: { status: 'cancelled', boot_id } },
      { fields: { status: 'cancelled', boot_id }, printed: 'Unpacking nginx ...\n' },
      { exit: 0, fields: { outcome: 'rolled_back', boot_id }, printed: upgraded(1) },
    ]
    for (const end of ends) {
      await green()
      const packages = await host.packages()
      await run({ mode: 'apply' }, end)
      expect(await host.agent(), JSON.stringify(end)).toMatchObject({ ...GREEN, compliance: 'unknown' })
      expect(await host.packages()).toEqual(packages)
      await green()
      await run({ mode: 'dry-run' }, { fields: { status: 'cancelled', boot_id } })
      expect(await host.agent()).toMatchObject(GREEN)
    }
  })

  it('stays what it was where nothing ran: cancelled, refused, not started, stopped in time', async () => {
    const ends: Run[] = [
      { fields: { status: 'cancelled' } },
      { fields: { status: 'cancelled', boot_id: randomUUID() }, printed: nothing({ error: 'Stopped.' }) },
      ...['not_started', 'hash_mismatch', 'bad_signature', 'already_done'].map((outcome) => ({
        fields: { status: 'failed', outcome },
      })),
      { exit: 108, printed: nothing({ error: 'Stopped by SIGTERM.' }) },
    ]
    for (const end of ends)
      for (const before of [green, amber]) {
        await before()
        const known = await host.agent()
        await run({ mode: 'apply' }, end)
        expect(await host.agent(), JSON.stringify(end)).toEqual(known)
      }
    await green()
    const known = await host.agent()
    const id = await addOperation(world.server, agent.id)
    const token = await host.userToken(world.a.id)
    await world.server.call('PATCH', '/api/patches', { token, body: { id, status: 'cancelled' } })
    expect(await host.agent()).toEqual(known)
  })

  it('is not up to date without evidence, whatever the exit code says', async () => {
    const none: [string, unknown, number][] = [
      ['no output', undefined, 2],
      ['words only', 'No updates available.\n', 2],
      ['a script without evidence', { updates_available: 0, packages: [], dry_run: true }, 2],
      ['evidence of another kind', nothing({ evidence: 'yes' }), 2],
      ['evidence that says nothing', nothing({ evidence: {} }), 2],
      ['not refreshed', nothing({ evidence: { refreshed: false } }), 2],
      ['refreshed in words', nothing({ evidence: { refreshed: 'true' } }), 2],
      ['no number', nothing({ updates_available: null }), 2],
      ['a number of another kind', nothing({ updates_available: '0' }), 2],
      [
        'a mirror that stands still',
        nothing({ evidence: { refreshed: true, newest_metadata_age_seconds: 91 * DAY } }),
        2,
      ],
      [
        'an age before the beginning',
        nothing({ evidence: { refreshed: true, newest_metadata_age_seconds: -1 } }),
        2,
      ],
      ['a result that is too large', `{"error":"${'x'.repeat(4_000_000)}","updates_available":0}`, 2],
      ['a result that is too deep', `{"evidence":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 2],
    ]
    for (const [name, printed, exit] of none) {
      await green()
      expect(await dryRun(printed, exit), name).toMatchObject({ status: 'completed' })
      expect(await host.agent(), name).toMatchObject({ compliance: 'unknown' })
    }
    await dryRun(nothing({ evidence: { refreshed: true, newest_metadata_age_seconds: 89 * DAY } }), 2)
    expect(await host.agent()).toMatchObject(GREEN)
  })

  it('is unknown where the result contradicts itself or its operation, and the note says in what', async () => {
    const lies: ['dry-run' | 'apply', unknown, number, RegExp][] = [
      ['dry-run', found(3, { updates_available: 0 }), 0, /counts 0 updates, but lists 3/],
      ['dry-run', nothing({ updates_available: 5 }), 0, /counts 5 updates, but lists 0/],
      ['dry-run', nothing(), 0, /lists no package/],
      ['dry-run', found(3), 2, /nothing to do, but/],
      ['dry-run', nothing({ dry_run: false }), 2, /mode/],
      ['apply', nothing(), 2, /mode/],
      ['dry-run', nothing({ dry_run: null }), 2, /mode/],
      ['dry-run', nothing({ error: 'Half of it failed.' }), 2, /with an error/],
      ['dry-run', nothing({ evidence: { refreshed: false } }), 2, /not all asked/],
      ['dry-run', nothing({ exclusions: ['*a*'] }), 2, /left out other packages/],
      ['apply', upgraded(3, { upgraded: [] }), 0, /not every package/],
      ['apply', upgraded(3, { failed: [entry('x')] }), 0, /not every package/],
      ['apply', { ...upgraded(3), upgraded: [entry('package-0')] }, 0, /not every package/],
    ]
    for (const [mode, printed, exit, why] of lies) {
      await green()
      const { result } = await run({ mode }, { exit, printed })
      expect((result as { note: string }).note).toMatch(why)
      expect(await host.agent(), String(why)).toMatchObject({ ...GREEN, compliance: 'unknown' })
    }
    expect((await dryRun(found(3, { updates_available: 7 }))).updates_available).toBeNull()
  })

  it('is judged by what was printed, not by what of it could be kept', async () => {
    const odd = [...found(2).packages, { package: '-rf' }]
    const operation = await dryRun({ ...printedResult(odd), updates_available: 3 })
    expect(operation).toMatchObject({ updates_available: 3 })
    expect(await host.agent()).toMatchObject({ compliance: 'updates_available', updates_available: 3 })
    await dryRun({ ...printedResult([{ package: '-rf' }]), updates_available: 0 }, 2)
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
    const many = upgraded(5000)
    await applied(many)
    expect(await host.agent()).toMatchObject(GREEN)
  })
})

describe('a run that looked at a part', () => {
  const parts: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ['--security', { security_only: true }, {}],
    ['--only', { packages: ['package-*'] }, {}],
    [
      'what was left out this once',
      { exclusions: ['openssl'] },
      { exclusions: ['openssl'], excluded: [entry('openssl')] },
    ],
  ]
  for (const [name, wish, says] of parts)
    it(`and found nothing leaves what was known: ${name}`, async () => {
      const dry = () => dryRun(nothing(says), 2, wish)
      const apply = () => applied(nothing({ dry_run: false, ...says }), 2, wish)
      for (const act of [dry, apply]) {
        await act()
        expect(await host.agent()).toMatchObject({
          compliance: 'unknown',
          updates_available: null,
          checked_at: '',
        })
      }
      for (const act of [dry, apply])
        for (const before of [green, amber]) {
          await before()
          const known = await host.agent()
          await act()
          expect(await host.agent()).toMatchObject({
            compliance: known.compliance,
            updates_available: known.updates_available,
            checked_at: known.checked_at,
          })
        }
    })

  for (const [name, wish, says] of parts)
    it(`and found some has found some: ${name}`, async () => {
      const started = now()
      await dryRun(found(2, says), 0, wish)
      expect(await host.agent()).toMatchObject({
        compliance: 'updates_available',
        updates_available: 2,
        checked_at: started,
      })
      await green()
      await dryRun(found(2, says), 0, wish)
      expect(await host.agent()).toMatchObject({ compliance: 'updates_available', updates_available: 2 })
      await amber()
      await dryRun(found(2, says), 0, wish)
      expect(await host.agent()).toMatchObject(AMBER)
    })

  it('and upgraded it takes it from the number; green it makes nobody', async () => {
    await amber()
    const { checked_at } = await host.agent()
    await applied(upgraded(1), 0, { security_only: true })
    expect(await host.agent()).toMatchObject({
      ...AMBER,
      updates_available: 2,
      security_updates: 0,
      checked_at,
    })
    await applied(upgraded(2), 0, { packages: ['package-*'] })
    expect(await host.agent()).toMatchObject({ compliance: 'unknown', updates_available: 0, checked_at })
    await green()
    await applied(upgraded(2), 0, { packages: ['package-*'] })
    expect(await host.agent()).toMatchObject(GREEN)
  })

  it('and failed makes the host unknown like any other', async () => {
    await green()
    await dryRun(nothing({ evidence: { refreshed: false }, error: 'x' }), 101, { packages: ['a'] })
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
  })

  it('is none where what was left out had no update, or an exception asks for it', async () => {
    await dryRun(nothing({ exclusions: ['openssl'] }), 2, { exclusions: ['openssl'] })
    expect(await host.agent()).toMatchObject(GREEN)
    const token = await host.userToken(world.a.id)
    const body = { agent_id: agent.id, package_name: 'linux-*' }
    await world.server.call('POST', '/api/collections/package_exceptions/records', { token, body })
    await dryRun(found(3, { exclusions: ['linux-*'] }))
    expect(await host.agent()).toMatchObject(AMBER)
    await dryRun(nothing({ exclusions: ['linux-*'], excluded: [entry('linux-image-amd64')] }), 2)
    expect(await host.agent()).toMatchObject(GREEN)
  })
})

describe('evidence', () => {
  it('is too old after seven days: the host is unknown, and what was found stays', async () => {
    const { app } = world.server.server
    await green()
    time.forward(7 * DAY - 61)
    await ageEvidence.run(app)
    expect(await host.agent()).toMatchObject(GREEN)
    time.forward(2)
    const stream = await openStream(world.server)
    expect(await stream.subscribe([`agents/${agent.id}`], await host.userToken(world.a.id))).toBe(204)
    await ageEvidence.run(app)
    await ageEvidence.run(app)
    expect(await host.agent()).toMatchObject({ ...GREEN, compliance: 'unknown' })
    await stream.next(({ json }) => (json.record as { compliance?: string })?.compliance === 'unknown')
    stream.close()
    const audited = await app.database.run(
      `select 1 from "audit_log" where "record" = $1 and "action" = 'update' and "changes"::text like '%"compliance"%'`,
      [agent.id],
    )
    expect(audited).toHaveLength(2)
    await amber()
    time.forward(8 * DAY)
    await ageEvidence.run(app)
    expect(await host.agent()).toMatchObject({ ...AMBER, compliance: 'unknown' })
  })

  it('from a time to come is none: the clock that wrote it was wrong', async () => {
    const { app } = world.server.server
    await green()
    time.forward(-30 * DAY)
    await ageEvidence.run(app)
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
    // Nor does it keep newer evidence away until that time has come.
    await amber()
    time.forward(30 * DAY)
  })

  it('is as old as the start of its run, however late the report comes', async () => {
    const id = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(id)
    const started = now()
    time.forward(6 * DAY)
    await host.report(id, { exit_code: '2' }, nothing())
    expect(await host.agent()).toMatchObject({ ...GREEN, checked_at: started })
    time.forward(2 * DAY)
    await ageEvidence.run(world.server.server.app)
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
  })

  it('that comes late does not take the place of newer, whatever it says', async () => {
    const late: Run[] = [
      { exit: 2, printed: nothing({ reboot_required: true, reboot_reason: 'old' }) },
      { exit: 0, printed: found(1) },
      { exit: 101, printed: nothing({ evidence: { refreshed: false } }) },
      { fields: { status: 'failed' } },
    ]
    for (const { exit, printed, fields } of late) {
      const old = await addOperation(world.server, agent.id, { mode: 'dry-run' })
      await host.claim(old)
      time.forward(10)
      await amber()
      const [known, packages] = [await host.agent(), await host.packages()]
      time.forward(10)
      await host.report(old, { ...(exit !== undefined && { exit_code: String(exit) }), ...fields }, printed)
      expect(await host.operation(old)).not.toMatchObject({ status: 'running' })
      expect(await host.agent()).toEqual(known)
      expect(await host.packages()).toEqual(packages)
    }
  })

  it('from before a failure does not make it unseen; one from after it does', async () => {
    await green()
    const old = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(old)
    time.forward(10)
    await applied(upgraded(1, { error: 'x' }), 104)
    await host.report(old, { exit_code: '2' }, nothing())
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
    await green()
  })

  it('from before a later look at a part counts all the same', async () => {
    await green()
    const old = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(old)
    time.forward(10)
    await dryRun(nothing(), 2, { packages: ['a'] })
    await host.report(old, { exit_code: '0' }, found(3))
    expect(await host.agent()).toMatchObject(AMBER)
  })

  it('from before a run that left out what it was asked to, or was stopped in time, counts all the same', async () => {
    const leftOut = { exclusions: ['a'], excluded: [entry('a')] }
    const later = [
      () => dryRun(nothing(leftOut), 2, { exclusions: ['a'] }),
      () => dryRun(nothing({ error: 'Stopped by SIGTERM.' }), 108),
    ]
    for (const act of later) {
      await green()
      const old = await addOperation(world.server, agent.id, { mode: 'dry-run' })
      await host.claim(old)
      time.forward(10)
      await act()
      await host.report(old, { exit_code: '0' }, found(3))
      expect(await host.agent()).toMatchObject(AMBER)
    }
  })

  it('takes the place of a lost lease, which leaves nobody green in the middle of an update', async () => {
    const { app } = world.server.server
    const job = endLeases(() => time.clock().getTime())
    const lose = async () => {
      const { updates_available, checked_at } = await host.agent()
      const id = await addOperation(world.server, agent.id)
      await host.claim(id)
      await job.run(app)
      time.forward(91)
      await job.run(app)
      expect(await host.operation(id)).toMatchObject({ status: 'failed', outcome: 'lease_lost' })
      expect(await host.agent()).toMatchObject({ compliance: 'unknown', updates_available, checked_at })
      return id
    }
    await green()
    await host.report(await lose(), { exit_code: '104' }, upgraded(1, { error: 'x' }))
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
    await green()
    await host.report(await lose(), { exit_code: '0' }, upgraded(1))
    expect(await host.agent()).toMatchObject({ compliance: 'up_to_date' })

    // What was found before the update began says nothing of what it has become.
    const earlier = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(earlier)
    time.forward(10)
    await lose()
    await host.report(earlier, { exit_code: '2' }, nothing())
    expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
  })

  it('is told to streams and written to the audit log once, as the change of a record that it is', async () => {
    const token = await host.userToken(world.a.id)
    const stream = await openStream(world.server)
    expect(await stream.subscribe([`agents/${agent.id}`, 'patch_operations'], token)).toBe(204)
    const { id } = await dryRun(nothing(), 2)
    await stream.next(({ json }) => (json.record as { compliance?: string })?.compliance === 'up_to_date')
    await stream.next(({ json }) => (json.record as { status?: string })?.status === 'completed')
    // A repeat tells nobody anything.
    await host.report(String(id), { exit_code: '2' }, nothing())
    const { started_at } = await dryRun(nothing(), 2)
    await stream.next(({ json }) => (json.record as { checked_at?: string })?.checked_at === started_at)
    const told = stream.changes().filter(({ topic }) => topic === `agents/${agent.id}`)
    expect(told.map(({ record }) => record.compliance)).toEqual(['up_to_date', 'up_to_date'])
    expect(told[0]?.record).not.toHaveProperty('packages_hash')
    stream.close()
    const audited = await world.server.server.app.database.run<{ who: string; changes: object }>(
      `select "who", "changes" from "audit_log" where "record" = $1 and "action" = 'update' order by "at", "id"`,
      [agent.id],
    )
    expect(audited[0]).toMatchObject({
      who: agent.id,
      changes: { compliance: ['unknown', 'up_to_date'], updates_available: [null, 0] },
    })
  })
})

describe('a host that is up to date but for an exception', () => {
  const path = '/api/collections/package_exceptions/records'
  const ends: [string, (id: string, token: string) => Promise<unknown>][] = [
    ['expires', async () => time.forward(3601)],
    [
      'is switched off',
      (id, token) => world.server.call('PATCH', `${path}/${id}`, { token, body: { is_active: false } }),
    ],
    ['is deleted', (id, token) => world.server.call('DELETE', `${path}/${id}`, { token })],
    [
      'is for something else',
      (id, token) => world.server.call('PATCH', `${path}/${id}`, { token, body: { package_name: 'x' } }),
    ],
    [
      'is moved to a container',
      async (id, token) => {
        const body = { lxc_id: await addContainer(world.server, world.a.id, agent.id) }
        return world.server.call('PATCH', `${path}/${id}`, { token, body })
      },
    ],
  ]
  const excepted = async (excluded: unknown[]) => {
    const token = await host.userToken(world.a.id)
    const expires_at = new Date(time.clock().getTime() + 3_600_000).toISOString()
    const body = { agent_id: agent.id, package_name: 'linux-*', expires_at }
    const { id } = (await world.server.call('POST', path, { token, body })).body
    await dryRun(nothing({ exclusions: ['linux-*'], excluded }), 2)
    expect(await host.agent()).toMatchObject(GREEN)
    await ageEvidence.run(world.server.server.app)
    expect(await host.agent()).toMatchObject(GREEN)
    return { id: String(id), token }
  }

  it.each(ends)('is unknown when that %s, until somebody looks again', async (_, end) => {
    const { id, token } = await excepted([entry('linux-image-amd64')])
    await end(id, token)
    await ageEvidence.run(world.server.server.app)
    expect(await host.agent()).toMatchObject({ ...GREEN, compliance: 'unknown' })
    const { exclusions } = await host.operation(
      await addOperation(world.server, agent.id, { mode: 'dry-run' }),
    )
    await dryRun(nothing({ exclusions }), 2)
    await ageEvidence.run(world.server.server.app)
    expect(await host.agent()).toMatchObject(GREEN)
  })

  it('is unknown when the run is deleted that says by which, and only then', async () => {
    for (const excluded of [[], [entry('linux-image-amd64')]]) {
      const { token } = await excepted(excluded)
      const [run] = await world.server.server.app.database.run<{ id: string }>(
        'select "id" from "patch_operations" where "agent_id" = $1 order by "_seq" desc limit 1',
        [agent.id],
      )
      const operations = '/api/collections/patch_operations/records'
      expect((await world.server.call('DELETE', `${operations}/${run?.id}`, { token })).status).toBe(204)
      await ageEvidence.run(world.server.server.app)
      const compliance = excluded.length > 0 ? 'unknown' : 'up_to_date'
      expect(await host.agent()).toMatchObject({ ...GREEN, compliance })
    }
  })

  it('stays so where it kept nothing back, or another keeps it as well', async () => {
    for (const excluded of [[], [entry('linux-image-amd64')]]) {
      const { id, token } = await excepted(excluded)
      const body = { agent_id: agent.id, package_name: 'linux-*' }
      if (excluded.length > 0) await world.server.call('POST', path, { token, body })
      await world.server.call('DELETE', `${path}/${id}`, { token })
      await ageEvidence.run(world.server.server.app)
      expect(await host.agent()).toMatchObject(GREEN)
    }
  })
})

describe('a reboot that is due', () => {
  const reason = 'A newer kernel is installed.'
  const due = { reboot_required: true, reboot_reason: reason }
  const none = { reboot_required: false, reboot_reason: '' }
  const beat = async (boot_id: string) => {
    const body = { action: 'ingest-metrics', system_metrics: {}, boot_id }
    const answer = await world.server.call('POST', '/api/agent', { token: await host.agentToken(), body })
    expect(answer.status).toBe(200)
  }

  it('is known from a result, also of a run that failed; what cannot be known leaves what was', async () => {
    await dryRun(nothing(due), 2)
    expect(await host.agent()).toMatchObject(due)
    await dryRun(nothing(), 2)
    await dryRun(undefined, 2)
    expect(await host.agent()).toMatchObject(due)
    await dryRun(nothing({ reboot_required: false, reboot_reason: 'no' }), 2)
    expect(await host.agent()).toMatchObject(none)
    await applied(nothing({ ...due, error: 'x', dry_run: false }), 104)
    expect(await host.agent()).toMatchObject(due)
    await dryRun(nothing({ reboot_required: 'no', reboot_reason: 5 }), 2)
    expect(await host.agent()).toMatchObject(due)
  })

  it('is over when the host has booted, and not before', async () => {
    await beat('boot-one')
    await dryRun(nothing(due), 2)
    await beat('boot-one')
    await beat('')
    expect(await host.agent()).toMatchObject(due)
    await beat('boot-one')
    await beat('boot-two')
    expect(await host.agent()).toMatchObject({ ...none, boot_id: 'boot-two', ...GREEN })
  })

  it('is not due again by a report that comes after the boot', async () => {
    await beat('boot-one')
    const id = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(id)
    await beat('boot-two')
    await host.report(id, { exit_code: '2', boot_id: 'boot-one' }, nothing(due))
    expect(await host.agent()).toMatchObject({ ...none, ...GREEN })
    const next = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(next)
    await host.report(next, { exit_code: '2', boot_id: 'boot-two' }, nothing(due))
    expect(await host.agent()).toMatchObject(due)
  })
})

describe('a run in a container', () => {
  it('says nothing of its host', async () => {
    const lxc = await addContainer(world.server, world.a.id, agent.id)
    await green()
    const known = await host.agent()
    await dryRun(found(3, { reboot_required: true, reboot_reason: 'x' }), 0, { lxc_id: lxc })
    await applied(nothing({ error: 'x', dry_run: false }), 104, { lxc_id: lxc })
    expect(await host.agent()).toEqual(known)
    expect(await host.packages()).toEqual([])
    expect(await host.packages(lxc)).toHaveLength(3)
  })

  it('is not overtaken by one on its host', async () => {
    const lxc = await addContainer(world.server, world.a.id, agent.id)
    const id = await addOperation(world.server, agent.id, { mode: 'dry-run', lxc_id: lxc })
    await host.claim(id)
    time.forward(5)
    await green()
    await host.report(id, { exit_code: '0' }, found(2))
    expect(await host.packages(lxc)).toHaveLength(2)
  })
})

describe('reports that come at once', () => {
  it('leave what the newest run has said, in whatever order they are written', async () => {
    for (let round = 0; round < 8; round++) {
      const ids: string[] = []
      for (let count = 0; count < 3; count++) {
        const id = await addOperation(world.server, agent.id, { mode: 'dry-run' })
        await host.claim(id)
        ids.push(id)
        time.forward(5)
      }
      const says = [found(1), nothing({ evidence: { refreshed: false }, error: 'x' }), found(3)]
      const exits = ['0', '101', '0']
      const order = [0, 1, 2].map((at) => (at + round) % 3)
      const answers = await Promise.all(
        order.map((at) => host.report(ids[at] ?? '', { exit_code: exits[at] ?? '' }, says[at])),
      )
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
      expect(await host.agent()).toMatchObject(AMBER)
      await green()
      time.forward(5)
    }
  })

  it('see each other also where one of them changes nothing: a failure of a host that is unknown already', async () => {
    for (let round = 0; round < 12; round++) {
      const [old, young] = [
        await addOperation(world.server, agent.id, { mode: 'dry-run' }),
        await addOperation(world.server, agent.id, { mode: 'dry-run' }),
      ]
      await host.claim(old)
      time.forward(5)
      await host.claim(young)
      await Promise.all([
        host.report(young, { exit_code: '101' }, nothing({ evidence: { refreshed: false }, error: 'x' })),
        host.report(old, { exit_code: '0' }, found(1)),
      ])
      expect(await host.agent()).toMatchObject({ compliance: 'unknown' })
    }
  })

  it('with heartbeats and inventories are all taken', async () => {
    const id = await addOperation(world.server, agent.id, { mode: 'dry-run' })
    await host.claim(id)
    const token = await host.agentToken()
    const beat = (at: number) =>
      world.server.call('POST', '/api/agent', {
        token,
        body: { action: 'ingest-metrics', system_metrics: {}, kernel_version: `6.${at}` },
      })
    const answers = await Promise.all([
      ...Array.from({ length: 6 }, (_, at) => beat(at)),
      host.report(id, { exit_code: '0' }, found(3)),
      host.report(id, { exit_code: '0' }, found(3)),
      ...Array.from({ length: 6 }, (_, at) => beat(at)),
    ])
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(await host.agent()).toMatchObject(AMBER)
  })

  it('with the deletion of the agent leave nothing behind', async () => {
    for (let round = 0; round < 5; round++) {
      const token = await host.userToken(world.a.id)
      agent = await world.server.agent(token, { hostname: `gone-${round}` })
      host = runWorld(world.server, agent)
      const lxc = await addContainer(world.server, world.a.id, agent.id)
      const ids: string[] = []
      for (const lxc_id of ['', lxc]) {
        const id = await addOperation(world.server, agent.id, { mode: 'dry-run', lxc_id })
        await host.claim(id)
        ids.push(id)
      }
      const path = `/api/collections/agents/records/${agent.id}`
      // Made before the agent is gone, whose record it takes.
      const agentToken = await host.agentToken()
      const [deleted, ...reported] = await Promise.all([
        world.server.call('DELETE', path, { token }),
        ...ids.map((id) => host.report(id, { exit_code: '0' }, found(30), agentToken)),
      ])
      expect(deleted.status).toBe(204)
      for (const { status } of reported) expect([200, 400, 401, 404]).toContain(status)
      expect(await host.agent()).toEqual({})
      for (const lxcId of ['', lxc]) expect(await host.packages(lxcId)).toEqual([])
    }
  })
})
