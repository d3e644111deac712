import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EnrolledAgent } from '../support/server.ts'
import { runWorld } from './run-world.ts'
import { addContainer, addOperation, records, rowsOf, startWorld, testClock, type World } from './world.ts'

type Body = Record<string, unknown>
const time = testClock()
let world: World
let agent: EnrolledAgent
let host: ReturnType<typeof runWorld>
let token: string

beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  token = await runWorld(world.server, world.a.agent).userToken(world.a.id)
  agent = await world.server.agent(token, { hostname: `host-${randomUUID()}` })
  host = runWorld(world.server, agent)
})

const path = records('package_exceptions')
const call = (method: string, where: string, body?: unknown, as = token) =>
  world.server.call(method, where, { token: as, body })
const except = async (name: string, more: Body = {}) => {
  const answer = await call('POST', path, { agent_id: agent.id, package_name: name, ...more })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return String(answer.body.id)
}
const change = async (id: string, body: Body) => {
  const answer = await call('PATCH', `${path}/${id}`, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
}
const inSeconds = (seconds: number) => new Date(time.clock().getTime() + seconds * 1000).toISOString()

const pending = (more: Body = {}) => addOperation(world.server, agent.id, { mode: 'dry-run', ...more })
/** What the agent is told to leave out when it claims; the arguments for older agents must say the same. */
async function claimed(id: string, as = host) {
  const { exclusions, script_args, security_only } = await as.claim(id)
  const names = (exclusions ?? []) as string[]
  const args = [
    '--dry-run',
    security_only && '--security',
    names.length > 0 && `--exclude ${names.join(',')}`,
  ]
  expect(script_args).toBe(args.filter(Boolean).join(' '))
  expect(await as.operation(id)).toMatchObject({ exclusions, script_args })
  return names
}
const kept = async (more: Body = {}) => claimed(await pending(more))

const GOOD = [
  ...[
    'nginx',
    'g++',
    'libstdc++6',
    'python3.11',
    'lib:i386',
    'kernel*',
    '*-dev',
    '*',
    '@core',
    '_x',
    '0ad',
    'a~b',
  ],
  ...['lib*-dev*', 'a_b', '*.*', '**a', '-*'],
].filter((name) => name !== '*' && name !== '-*')
const BAD = [
  ...[
    '',
    ' ',
    '*',
    '**',
    '***',
    '-rf',
    '--exclude',
    '-*',
    '.a',
    '+a',
    ':a',
    '~a',
    'a b',
    ' a',
    'a ',
    'a\n',
    '\na',
    'a\nb',
  ],
  ...[
    'a;b',
    'a|b',
    'a&b',
    'a,b',
    '$(reboot)',
    '`reboot`',
    `\${x}`,
    'a/b',
    '../a',
    'a\\b',
    "a'b",
    'a"b',
    'a?b',
    'a[b]',
  ],
  ...[
    'a=b',
    'a%b',
    'a!b',
    'a#b',
    'a(b)',
    'a{b}',
    'a<b',
    'ä',
    'ａ',
    'a\u0000',
    'a\u001b[31m',
    'a\u202eb',
    'x'.repeat(256),
  ],
]
const stored = async () =>
  (await rowsOf(world.server, ['package_exceptions'])).map(
    (row) => (JSON.parse(row.slice(row.indexOf('{'))) as { package_name: string }).package_name,
  )

describe('the name in an exception', () => {
  it('may have wildcards anywhere, and reaches the script as it is', async () => {
    for (const name of GOOD) await except(name)
    expect(await kept()).toEqual([...GOOD].sort())
  })

  it('that is none is refused on its field and never stored, on every way in', async () => {
    const id = await except('nginx')
    const before = await stored()
    const form = async (method: string, where: string, name: string) => {
      const body = new FormData()
      body.set('agent_id', agent.id)
      body.set('package_name', name)
      const answer = await fetch(world.server.url + where, {
        method,
        headers: { authorization: token },
        body,
      })
      return { status: answer.status, body: (await answer.json()) as Body }
    }
    const batch = (method: string, url: string, body: Body) =>
      call('POST', '/api/batch', { requests: [{ method, url, body }] })
    for (const name of BAD) {
      const body = { agent_id: agent.id, package_name: name }
      const answers = {
        POST: await call('POST', path, body),
        PATCH: await call('PATCH', `${path}/${id}`, { package_name: name }),
        'multipart POST': await form('POST', path, name),
        'multipart PATCH': await form('PATCH', `${path}/${id}`, name),
      }
      for (const [way, { status, body: answer }] of Object.entries(answers)) {
        expect(status, `${way} ${JSON.stringify(name)}`).toBe(400)
        // What no database could keep is refused at the door, before there are fields.
        if (!name.includes('\0')) expect(answer.data, `${way} ${name}`).toHaveProperty('package_name')
      }
      for (const [method, url, said] of [
        ['POST', path, body],
        ['PATCH', `${path}/${id}`, { package_name: name }],
        ['PUT', path, { id, package_name: name }],
        ['PUT', path, { ...body, id: 'newexception000' }],
      ] as const)
        expect((await batch(method, url, said)).status, `batch ${method} ${JSON.stringify(name)}`).toBe(400)
      if (name.includes('\0')) continue
      // Modifiers are for lists and numbers: on a text they change nothing.
      for (const key of ['package_name+', '+package_name', 'package_name-']) {
        expect((await call('POST', path, { agent_id: agent.id, [key]: name })).status, key).toBe(400)
        await change(id, { [key]: name })
        await change(id, { [key]: [name] })
      }
      expect(await stored()).toEqual(before)
    }
  }, 60_000)

  it('of another type is that value as text, or refused', async () => {
    for (const name of [null, [], ['nginx'], { a: 1 }, true]) {
      const { status, body } = await call('POST', path, { agent_id: agent.id, package_name: name })
      if (status === 200) expect(body.package_name).toMatch(/^[a-z]+$/)
      else expect(status).toBe(400)
    }
  })

  it('is asked of requests for an operation too', async () => {
    for (const field of ['exclusions', 'packages'])
      for (const name of BAD) {
        const body = { agent_id: agent.id, mode: 'dry-run', [field]: ['nginx', name] }
        const { status } = await call('POST', '/api/patches', body)
        expect(status, `${field} ${JSON.stringify(name)}`).toBe(400)
      }
  })
})

describe('an exception', () => {
  it('that ends while an operation waits is judged at the claim, to the moment', async () => {
    await except('before', { expires_at: inSeconds(59) })
    await except('now', { expires_at: inSeconds(60) })
    await except('after', { expires_at: inSeconds(61) })
    await except('never')
    const id = await pending()
    expect((await host.operation(id)).exclusions).toEqual(['after', 'before', 'never', 'now'])
    time.forward(60)
    expect(await claimed(id)).toEqual(['after', 'never'])
  })

  it('that is made, prolonged, switched on or off while an operation waits is judged at the claim', async () => {
    const ended = await except('ended', { expires_at: inSeconds(-60) })
    const off = await except('off', { is_active: false })
    const on = await except('on')
    const id = await pending()
    expect((await host.operation(id)).exclusions).toEqual(['on'])
    await change(ended, { expires_at: '' })
    await change(off, { is_active: true })
    await change(on, { is_active: false })
    await except('new')
    expect(await claimed(id)).toEqual(['ended', 'new', 'off'])
  })

  it('is deleted with effect on what waits; what was asked for with the operation stays', async () => {
    const id = await pending({ exclusions: ['asked', 'both'] })
    const both = await except('both')
    const other = await except('other')
    for (const one of [both, other]) expect((await call('DELETE', `${path}/${one}`)).status).toBe(204)
    expect(await claimed(id)).toEqual(['asked', 'both'])
  })

  it('changes nothing of a run that has begun: renewals answer what is running', async () => {
    await except('first', { expires_at: inSeconds(30) })
    const id = await pending()
    expect(await claimed(id)).toEqual(['first'])
    await except('second')
    time.forward(60)
    expect(await claimed(id)).toEqual(['first'])
  })

  it('reaches the agents that claim nothing in the arguments they read', async () => {
    await except('nginx*')
    const id = await pending({ exclusions: ['vim'], security_only: true })
    const { script_args, exclusions } = await host.operation(id)
    expect(exclusions).toEqual(['nginx*', 'vim'])
    expect(script_args).toBe('--dry-run --security --exclude nginx*,vim')
  })

  it('is named once, however often it is asked for', async () => {
    await except('nginx')
    await except('nginx')
    expect(await kept({ exclusions: ['nginx', 'nginx'] })).toEqual(['nginx'])
  })

  it('that nobody can read as a time or a yes is refused, and does not become one without end', async () => {
    for (const body of [
      { expires_at: 'tomorrow' },
      { expires_at: 5 },
      { is_active: 'perhaps' },
      { is_active: {} },
    ])
      expect((await call('POST', path, { agent_id: agent.id, package_name: 'a', ...body })).status).toBe(400)
    expect(await kept()).toEqual([])
  })
})

describe('exceptions', () => {
  it("of a host never reach its containers, nor one container's the host or another", async () => {
    const [one, other] = [
      await addContainer(world.server, world.a.id, agent.id),
      await addContainer(world.server, world.a.id, agent.id),
    ]
    await except('of-host')
    await except('of-one', { lxc_id: one })
    await except('of-other', { lxc_id: other })
    expect(await kept()).toEqual(['of-host'])
    expect(await kept({ lxc_id: one })).toEqual(['of-one'])
    expect(await kept({ lxc_id: other })).toEqual(['of-other'])
    // Nor while they wait.
    const [atHost, atOne] = [await pending(), await pending({ lxc_id: one })]
    await except('late-host')
    await except('late-one', { lxc_id: one })
    expect(await claimed(atHost)).toEqual(['late-host', 'of-host'])
    expect(await claimed(atOne)).toEqual(['late-one', 'of-one'])
  })

  it('that are moved to another machine hold there, and where they were no more', async () => {
    const second = await world.server.agent(token, { hostname: 'second' })
    const there = runWorld(world.server, second)
    const container = await addContainer(world.server, world.a.id, agent.id)
    const id = await except('wanderer')
    const [here, beyond, inside] = [
      await pending(),
      await addOperation(world.server, second.id, { mode: 'dry-run' }),
      await pending({ lxc_id: container }),
    ]
    await change(id, { agent_id: second.id })
    expect(await claimed(here)).toEqual([])
    expect(await claimed(beyond, there)).toEqual(['wanderer'])
    await change(id, { agent_id: agent.id, lxc_id: container })
    expect(await claimed(inside)).toEqual(['wanderer'])
    expect(await kept()).toEqual([])
    await change(id, { lxc_id: '' })
    expect(await kept()).toEqual(['wanderer'])
    expect(await kept({ lxc_id: container })).toEqual([])
  })

  it('are moved to no container of another host, and to no machine of another owner', async () => {
    const second = await world.server.agent(token, { hostname: 'third' })
    const foreign = await addContainer(world.server, world.a.id, second.id)
    const id = await except('nginx')
    for (const body of [
      { lxc_id: foreign },
      { agent_id: world.b.agent.id },
      { lxc_id: world.b.container },
      { agent_id: world.b.agent.id, lxc_id: world.b.container },
      { lxc_id: 'nosuchcontainer' },
    ])
      expect((await call('PATCH', `${path}/${id}`, body)).status, JSON.stringify(body)).toBe(404)
    expect(await kept()).toEqual(['nginx'])
  })

  it('of a container that is gone hold for nothing, and not for its host', async () => {
    const container = await addContainer(world.server, world.a.id, agent.id)
    await except('of-container', { lxc_id: container })
    expect((await call('DELETE', records('proxmox_lxc', container))).status).toBe(204)
    expect(await kept()).toEqual([])
  })

  it('as many as there may be all reach the script, within what one argument may be', async () => {
    const { app } = world.server.server
    await app.database.run(
      `insert into "package_exceptions" ("id", "created", "updated", "user_id", "agent_id", "package_name", "is_active")
       select lpad(n::text, 15, '0') , $1, $1, $2, $3, $4 || n, true from generate_series(1, 499) n`,
      [time.clock().toISOString().replace('T', ' '), world.a.id, agent.id, 'x'.repeat(115)],
    )
    const exclusions = Array.from({ length: 500 }, (_, at) => `${'y'.repeat(115)}${at}`)
    const id = await pending({ exclusions })
    await except('the-last')
    const names = await claimed(id)
    expect(names).toHaveLength(1000)
    expect(names.join().length).toBeLessThan(131_072)
    for (const more of ['one', 'two'])
      expect((await call('POST', path, { agent_id: agent.id, package_name: more })).status).toBe(409)
  })

  it('and wishes too long for one argument are refused', async () => {
    const long = (at: number) => `${'x'.repeat(250)}${at}`
    for (const field of ['exclusions', 'packages']) {
      const names = Array.from({ length: 300 }, (_, at) => long(at))
      const wish = { agent_id: agent.id, mode: 'dry-run', [field]: names }
      expect(await call('POST', '/api/patches', wish)).toMatchObject({
        status: 400,
        body: { data: { [field]: { code: 'validation_length_too_long' } } },
      })
    }
    let at = 0
    while ((await call('POST', path, { agent_id: agent.id, package_name: long(at) })).status === 200) at++
    expect(at).toBeGreaterThan(200)
    expect(await call('POST', path, { agent_id: agent.id, package_name: long(at) })).toMatchObject({
      status: 409,
    })
    // One that is off does not count, until it is switched on.
    const off = await except(long(at), { is_active: false })
    expect((await call('PATCH', `${path}/${off}`, { is_active: true })).status).toBe(409)
  })
})
