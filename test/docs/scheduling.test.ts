/** The page is an operator's afternoon: what it says to type is typed, and must answer what it shows. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { records } from '../api/world.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { FakeInit } from '../support/fake-init.ts'
import { PASSWORD, startTestServer, type TestServer } from '../support/server.ts'
import { Shell, shown, stepsOf } from './page.ts'

const EMAIL = 'operator@example.com'
let server: TestServer
let host: FakeInit
let shell: Shell

beforeAll(async () => {
  server = await startTestServer()
  const owner = await server.user(EMAIL)
  // Not the built-in one, which would look at the machine of the test.
  const form = new FormData()
  const fields = { name: 'apt-update.sh', platform_family: 'debian', package_manager: 'apt' }
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  form.set('file', new Blob(['#!/bin/sh\nexit 2\n']), 'apt-update.sh')
  const { token: authorization } = await server.superuser()
  await fetch(server.url + records('scripts'), { method: 'POST', headers: { authorization }, body: form })

  host = new FakeInit(undefined, { heartbeatMs: 300 })
  writeFileSync(join(host.root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n')
  writeFileSync(join(host.root, 'usr/bin/apt-get'), '')
  const { body } = await server.call<{ token: string }>('POST', records('enrolment_tokens'), {
    token: owner.token,
    body: { name: 'host' },
  })
  const registered = new AgentProcess([
    'register',
    ...host.arguments,
    '--server',
    server.url,
    '--token',
    body.token,
  ])
  expect(await registered.exit(), registered.output).toBe(0)
  await host.start().says(/Subscribed/)
  shell = new Shell({ SERVER: server.url, EMAIL, PASSWORD })
})
afterAll(async () => {
  shell?.[Symbol.dispose]()
  await host?.[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('docs/scheduling.md', () => {
  const steps = stepsOf('docs/scheduling.md')

  it('has something to type', () => expect(steps.length).toBeGreaterThan(9))

  it.each(steps)('does what it says: $commands', { timeout: 120_000 }, async ({ commands, expected }) => {
    const output = await shell.run(commands)
    if (expected !== undefined) expect(output).toMatch(shown(expected))
  })
})
