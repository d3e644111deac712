import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { capture } from '../../agent/capture.ts'
import { AgentError } from '../../agent/errors.ts'
import { parseVersion } from '../../agent/manager-version.ts'

const limits = { timeoutMs: 10_000, graceMs: 200, maxBytes: 1_000 }

test('a program is run with its arguments as they are, in English, and with nothing of our environment', async () => {
  process.env.PATCHBASE_TEST_SECRET = 'secret'
  try {
    expect(await capture('printf', ['%s|', '$(id)', 'a b', ';'], limits)).toBe('$(id)|a b|;|')
    const environment = await capture('env', [], limits)
    expect(environment).toContain('LC_ALL=C\n')
    expect(environment).not.toContain('secret')
  } finally {
    delete process.env.PATCHBASE_TEST_SECRET
  }
})

test.each([
  [
    'does not end is asked to',
    'echo $$ >$0; trap "echo asked >>$0; exit" TERM; while :; do sleep 0.05; done',
    'asked\n',
  ],
  ['does not listen either is killed', 'echo $$ >$0; trap "" TERM; while :; do sleep 0.05; done', ''],
])('a program that %s', async (_, script, left) => {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-capture-'))
  const file = join(folder, 'said')
  const asked = capture('sh', ['-c', script, file], { ...limits, timeoutMs: 500 })
  await expect(asked).rejects.toThrow('sh had not ended after 500 ms.')
  const said = readFileSync(file, 'utf8')
  expect(alive(Number.parseInt(said, 10))).toBe(false)
  expect(said.replace(/^\d+\n/, '')).toBe(left)
  rmSync(folder, { recursive: true })
})

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test.each([
  ['prints too much', 'yes', [], /^yes printed more than 1000 bytes\.$/],
  ['fails', 'sh', ['-c', 'echo why >&2; exit 7'], /^sh failed with 7: why$/],
  ['is not there', 'no-such-program', [], /^no-such-program could not be run: .*ENOENT/],
] as const)('a program that %s is an error that says so', async (_, program, args, message) => {
  const error = await capture(program, args, limits).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AgentError)
  expect((error as Error).message).toMatch(message)
})

// As the programs print them.
test.each([
  ['apt 2.6.1 (amd64)\nSupported modules:\n*Ver: Standard .deb\n', '2.6.1'],
  ['apt 1.0.1ubuntu2 for amd64 compiled on Jan 12 2016\n', '1.0.1ubuntu2'],
  ['4.14.0\n  Installed: dnf-0:4.14.0-8.el9.noarch at Thu 01 Jan 1970\n', '4.14.0'],
  ['dnf5 version 5.2.6.2\ndnf5 plugin API version 2.0\n', '5.2.6.2'],
  ['3.4.3\n  Installed: rpm-4.11.3-48.el7.x86_64 at 2024-01-01\n', '3.4.3'],
  ['zypper 1.14.42\n', '1.14.42'],
  [
    "\n .--.                  Pacman v6.0.2 - libalpm v13.0.2\n/ _.-' .-.  .-.  .-.   Copyright (C) 2006-2021 Pacman Development Team\n",
    '6.0.2',
  ],
  ['apk-tools 2.14.4, compiled for x86_64.\n', '2.14.4'],
  ['no version in here\n', ''],
])('the version in %j is %s', (text, version) => {
  expect(parseVersion(text)).toBe(version)
})
