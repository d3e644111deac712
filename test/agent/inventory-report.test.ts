import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inventoryOf } from '../../agent/inventory.ts'
import { inventoryReports } from '../../agent/inventory-report.ts'
import { pocketbaseTransport } from '../../agent/pocketbase-transport.ts'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { startTestServer } from '../support/server.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'patchbase-root-'))
  write('etc/os-release', 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
  write('usr/bin/apt-get', '')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (file: string, text: string) => {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}
const installed = (...packages: [name: string, version: string][]) =>
  write(
    'var/lib/dpkg/status',
    packages
      .map(
        ([name, version]) =>
          `Package: ${name}\nStatus: install ok installed\nArchitecture: all\nVersion: ${version}\nMaintainer: none\nDescription: none\n\n`,
      )
      .join(''),
  )

test('what is installed is in the database of the server, also after it has changed, or the server was set back', async () => {
  await using server = await startTestServer()
  const user = await server.user('owner@example.com')
  const made = await server.call<{ token: string }>('POST', '/api/collections/enrolment_tokens/records', {
    token: user.token,
    body: { name: 'test' },
  })
  using state = stateFolder()
  const common = ['--state-dir', state.folder, '--root', root]
  installed(['bash', '5.2-1'], ['zlib1g', '1:1.3-1'])
  const enrolment = ['register', '--server', server.url, '--token', made.body.token]
  await using registering = new AgentProcess([...enrolment, ...common])
  expect(await registering.exit(), registering.output).toBe(0)
  await using agent = new AgentProcess(['run', ...common])

  const { database } = server.server.app
  const versions = async () => {
    const rows = await database.run<{ text: string }>(
      `select "name" || ' ' || "current_version" as "text" from "agent_packages" order by "name"`,
    )
    return rows.map(({ text }) => text)
  }
  const stored = { timeout: 15_000 }
  await expect.poll(versions, stored).toEqual(['bash 5.2-1', 'zlib1g 1:1.3-1'])
  await agent.says(/The server has the list of installed packages\. packages=2 dropped=0/)

  installed(['bash', '5.2-2'], ['curl', '8.0-1'])
  await expect.poll(versions, stored).toEqual(['bash 5.2-2', 'curl 8.0-1'])

  await database.run(`delete from "agent_packages"`)
  await database.run(`update "agents" set "packages_hash" = ''`)
  await expect.poll(versions, stored).toEqual(['bash 5.2-2', 'curl 8.0-1'])
})

test('a list goes out once at a time; one that was refused not again, one that did not arrive is', async () => {
  const seen: string[] = []
  const waiting: ((status: number) => void)[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    seen.push(JSON.parse(text).hash)
    waiting.push((status) => response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const transport = pocketbaseTransport({ origin, timings: { requestMs: 10_000, uploadMs: 10_000 } })
  const said: string[] = []
  const log = { info: (text: string) => said.push(text), warn: (text: string) => said.push(text) }
  const report = inventoryReports({ transport, log })
  const answered = async (list: ReturnType<typeof inventoryOf>, status: number) => {
    const sending = report(list)
    await expect.poll(() => waiting.length).toBe(1)
    // While it is under way no other is sent.
    await report(list)
    waiting.pop()?.(status)
    await sending
  }
  const [one, two] = ['1', '2'].map((version) => inventoryOf([{ name: 'bash', arch: 'all', version }]))
  if (!one || !two) throw new Error('Two lists were made.')
  await answered(one, 503)
  await answered(one, 413)
  await report(one)
  await answered(two, 200)
  expect(seen).toEqual([one.hash, one.hash, two.hash])
  expect(said.map((text) => /did not arrive/.test(text))).toEqual([true, true, false])
  server.close()
  server.closeAllConnections()
})
