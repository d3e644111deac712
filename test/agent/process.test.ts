import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { groupLives, spawnScript, stopGroup } from '../../agent/process.ts'
import { stateFolder } from '../support/agent-process.ts'

const prepare = (folder: string, text: string) => {
  const paths = Object.fromEntries(
    ['script', 'stdout', 'stderr', 'exit'].map((file) => [file, join(folder, file)]),
  ) as Record<'script' | 'stdout' | 'stderr' | 'exit', string>
  writeFileSync(paths.script, `#!/bin/sh\n${text}\n`)
  return paths
}

test('arguments arrive as they are, the environment is clean, both streams and the code are on the disk', async () => {
  using state = stateFolder()
  const paths = prepare(state.folder, 'printf "%s|" "$@"; env; echo bad >&2; ls /proc/$$/fd; exit 7')
  process.env.LEAKED_SECRET = 'x'
  const child = await spawnScript({ ...paths, args: ['--exclude', 'a b,$(id);`id`', ''] })
  child.go()
  await child.ended
  delete process.env.LEAKED_SECRET
  const stdout = readFileSync(paths.stdout, 'utf8')
  expect(stdout).toContain('--exclude|a b,$(id);`id`||')
  expect(stdout).toContain('LANG=C.UTF-8')
  expect(stdout).not.toContain('LEAKED_SECRET')
  expect(stdout.split('\n').filter((line) => /^[3-9]$/.test(line))).toEqual([])
  expect(readFileSync(paths.stderr, 'utf8')).toBe('bad\n')
  expect(readFileSync(paths.exit, 'utf8')).toBe('7\n\n\n')
})

test('without the word nothing starts', async () => {
  using state = stateFolder()
  const paths = prepare(state.folder, `touch ${state.folder}/ran`)
  const child = await spawnScript({ ...paths, args: [] })
  expect(groupLives(child.id)).toBe(true)
  child.never()
  await child.ended
  expect(existsSync(join(state.folder, 'ran'))).toBe(false)
  expect(existsSync(paths.exit)).toBe(false)
  expect(groupLives(child.id)).toBe(false)
})

test('the whole group is stopped, also those who ignore SIGTERM', async () => {
  using state = stateFolder()
  const stubborn = `${state.folder}/stubborn`
  writeFileSync(stubborn, `#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.1; done\n`)
  chmodSync(stubborn, 0o700)
  const paths = prepare(state.folder, `${stubborn} & wait`)
  const child = await spawnScript({ ...paths, args: [] })
  child.go()
  while (!readFileSync(paths.stdout, 'utf8').includes('up')) await new Promise((done) => setTimeout(done, 10))
  await stopGroup(child.id, 300)
  expect(groupLives(child.id)).toBe(false)
})

test('a later process with the same number is not taken for ours', async () => {
  using state = stateFolder()
  const paths = prepare(state.folder, 'exec sleep 30')
  const child = await spawnScript({ ...paths, args: [] })
  child.go()
  expect(groupLives({ ...child.id, startTime: '1' })).toBe(false)
  expect(groupLives({ ...child.id, bootId: 'another' })).toBe(false)
  expect(groupLives(child.id)).toBe(true)
  await stopGroup(child.id, 1000)
})
