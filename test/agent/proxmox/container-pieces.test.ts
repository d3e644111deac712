import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { containerOf, Operation, scriptArguments } from '../../../agent/operation-record.ts'
import { mayHaveChanged } from '../../../agent/proxmox/changes.ts'
import { declineOf } from '../../../agent/proxmox/health.ts'
import { insideArgs, launchArgs } from '../../../agent/proxmox/inside.ts'
import { parseInterpreter } from '../../../agent/proxmox/interpreter.ts'
import { lockIn, ofPct, PctError, parseLines } from '../../../agent/proxmox/pct.ts'
import { unlockFirst } from '../../../agent/proxmox/put-right.ts'
import { ourSnapshots, outdated, snapshotName } from '../../../agent/proxmox/snapshot.ts'
import { stateFolder } from '../../support/agent-process.ts'

test('which endings of a script may have changed something', () => {
  using state = stateFolder()
  const stdout = join(state.folder, 'stdout')
  const after = (code: number | undefined, text = '') => {
    writeFileSync(stdout, text)
    return mayHaveChanged(code, stdout)
  }
  for (const code of [0, 104, 105, 3, 127, 137, 143, 255, undefined])
    expect(after(code), `${code}`).toBe(true)
  for (const code of [2, 101, 102, 103, 108]) expect(after(code), `${code}`).toBe(false)
  const [none, some] = [`{"upgraded":[],"failed":[]}`, `{"upgraded":[],"failed":[{}]}`]
  for (const code of [1, 106, 107, 109]) {
    expect(after(code, `words\n${none}\n`), `${code}`).toBe(false)
    expect(after(code, `words\n${some}\n`), `${code}`).toBe(true)
    // What says nothing says nothing good.
    for (const text of ['', 'words', '{"upgraded":[]}', `${none}\nwords\n`, 'null', '[]'])
      expect(after(code, text), `${code} ${text}`).toBe(true)
  }
  expect(mayHaveChanged(106, join(state.folder, 'none'))).toBe(true)
})

test('only what has become worse is a decline, and only where it was known before', () => {
  const well = { running: true, address: true, failedUnits: 1 }
  expect(declineOf(well, well)).toBeUndefined()
  expect(declineOf(well, { ...well, failedUnits: 0 })).toBeUndefined()
  expect(declineOf(well, { running: true })).toBeUndefined()
  expect(declineOf({ running: true }, { running: true, address: false, failedUnits: 5 })).toBeUndefined()
  expect(declineOf({ ...well, address: false }, { ...well, address: false })).toBeUndefined()
  expect(declineOf(well, { running: false })).toBe('it does not run')
  expect(declineOf(well, { ...well, address: false })).toContain('no address')
  expect(declineOf(well, { ...well, failedUnits: 2 })).toBe(
    '2 of its units have failed, and before it were 1',
  )
})

const id = (letter: string) => letter.repeat(15)
const made = (letter: string) => `Made by Patchbase before operation ${id(letter)}`

test('snapshots of ours are told by name and description, and the newest three are kept', () => {
  const listed = [
    `\`-> before-upgrade                 2026-01-01 00:00:00     ${made('a')}`,
    ` \`-> patchbase-${id('c')}    2026-03-01 00:00:00     ${made('c')}`,
    `  \`-> patchbase-${id('b')}   2026-02-01 00:00:00     ${made('b')}`,
    `  \`-> patchbase-${id('d')}   2026-04-01 00:00:00     no-description`,
    `  \`-> patchbase-${id('e')}   2026-04-01 00:00:00     ${made('a')}`,
    `  \`-> patchbase-weekly          2026-04-01 00:00:00     ${made('a')}`,
    `   \`-> patchbase-${id('f')}  2026-05-01 00:00:00     ${made('f')}`,
    `    \`-> current                                             You are here!`,
  ].join('\n')
  const names = ourSnapshots(listed).map(({ name }) => name)
  expect(names).toEqual(['b', 'c', 'f'].map((letter) => `patchbase-${id(letter)}`))
  const four = ['a', 'b', 'c', 'd'].map((letter, at) => ({ name: snapshotName(id(letter)), at: `${at}` }))
  expect(outdated(four, snapshotName(id('d'))).map(({ name }) => name)).toEqual([snapshotName(id('a'))])
  // By a clock that was set back, the new one is the oldest.
  expect(outdated(four, snapshotName(id('a'))).map(({ name }) => name)).toEqual([snapshotName(id('b'))])
  expect(outdated(four.slice(0, 3), snapshotName(id('c')))).toEqual([])
  expect(snapshotName(id('z'))).toMatch(/^[a-z][\w-]{0,39}$/)
})

test("a script's first line", () => {
  expect(parseInterpreter('#!/bin/bash\nexit')).toEqual({ command: ['/bin/bash'], program: '/bin/bash' })
  expect(parseInterpreter('#! /bin/sh -eu \n')).toEqual({ command: ['/bin/sh', '-eu'], program: '/bin/sh' })
  expect(parseInterpreter('#!/usr/bin/env bash\n')).toEqual({
    command: ['/usr/bin/env', 'bash'],
    program: 'bash',
  })
  for (const text of ['', 'exit 0', '#!bash\n', '#!\n'])
    expect(parseInterpreter(text).program).toBe('/bin/sh')
})

test('what is run inside is a fixed text; what differs is an argument', () => {
  const hostile = '$(reboot);`reboot` "\'\n'
  for (const text of ['ENTER', 'LEAVE', 'TERM', 'KILL', 'LEFT', 'STATE', 'HAS_PROGRAM'] as const) {
    const args = insideArgs(101, text, hostile)
    expect(args.at(-1)).toBe(hostile)
    expect(args.slice(0, -1)).toEqual(insideArgs(101, text, 'x').slice(0, -1))
  }
  const args = launchArgs(101, 'folder', '/run/folder', ['/bin/bash', '/run/folder/script', hostile])
  expect(args.at(-1)).toBe(hostile)
  expect(args.filter((word) => word.includes('reboot'))).toEqual([hostile])
})

test('what may pass by itself', () => {
  expect(lockIn('CT is locked (backup)')).toBe('backup')
  expect(lockIn("can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout")).toBe('another command')
  expect(lockIn('CT 101 already running')).toBeUndefined()
  for (const said of [
    'CT is locked (snapshot-delete)',
    'cluster not ready - no quorum?',
    'Connection refused',
  ])
    expect(new PctError(said).mayPass, said).toBe(true)
  expect(new PctError("can't rollback, 'x' is not most recent snapshot on 'y'").mayPass).toBe(false)
  // What a container says is no word of pct's.
  for (const said of ['no quorum', 'CT is locked (backup)', 'pct had not ended after 1 ms.']) {
    const error = new PctError(`pct exec failed with 1: ${said}`, ofPct(['exec', '101'], said))
    expect([error.mayPass, error.lock], said).toEqual([false, undefined])
  }
  expect(new PctError('pct exec had not ended after 5 ms.', ofPct(['exec'], '')).mayPass).toBe(true)
  expect(new PctError('pct start failed: no quorum', ofPct(['start'], 'no quorum')).mayPass).toBe(true)
  expect(unlockFirst('The rollback failed: CT is locked (rollback)', 101)).toBe('pct unlock 101; ')
  expect(unlockFirst('The rollback failed: CT is locked (snapshot)', 101)).toBe('pct unlock 101; ')
  for (const lock of ['backup', 'snapshot-delete', 'migrate'])
    expect(unlockFirst(`The rollback failed: CT is locked (${lock})`, 101)).toBe('')
  expect(parseLines('status: running\nname: a: b\n bad\n')).toEqual({ status: 'running', name: 'a: b' })
})

test('a container is for a Proxmox node, by its number', () => {
  const operation = (fields: Record<string, unknown>) =>
    Operation.parse({ id: id('a'), status: 'pending', mode: 'apply', ...fields })
  expect(containerOf(operation({ vmid: 0, lxc_id: '' }))).toBeUndefined()
  expect(containerOf(operation({ vmid: '101', lxc_id: 'x' }))).toBe(101)
  expect(scriptArguments(operation({ vmid: 101 }), true)).toEqual({ args: [] })
  expect(scriptArguments(operation({ vmid: 101 }))).toMatchObject({
    refusal: { outcome: 'not_started', message: expect.stringContaining('no Proxmox node') },
  })
  for (const fields of [
    { lxc_id: 'x' },
    { lxc_id: 'x', vmid: 0 },
    { vmid: 99 },
    { vmid: '1e3.5' },
    { vmid: 2 ** 40 },
  ])
    expect(scriptArguments(operation(fields), true), JSON.stringify(fields)).toMatchObject({
      refusal: { message: expect.stringContaining("is no container's number") },
    })
})
