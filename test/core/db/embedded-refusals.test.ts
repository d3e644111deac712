import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test, vi } from 'vitest'
import { usableBinaries } from '../../../core/db/embedded/binaries.ts'
import { checkSocketPath } from '../../../core/db/embedded/data-folder.ts'
import { startEmbedded } from '../../../core/db/embedded/start.ts'
import { serverAccount } from '../../../core/db/embedded/system-user.ts'
import { StartError } from '../../../core/errors.ts'
import { isRoot, needsRoot, noPostgresLeft, startServer, tempFolder } from '../../support/embedded.ts'

vi.setConfig({ testTimeout: 60_000 })

/** The sentence a start on the folder is refused with. */
async function refusal(dataDir: string, settings: Record<string, string> = {}): Promise<string> {
  const embedded = await startEmbedded({ dataDir, settings }).catch((error: unknown) => error)
  if (!(embedded instanceof Error)) throw new Error('It started.')
  expect(embedded).toBeInstanceOf(StartError)
  await noPostgresLeft(dataDir)
  return embedded.message
}

test('a data folder whose socket path would be too long', async () => {
  const dataDir = join(tempFolder(), 'x'.repeat(100))
  const bytes = join(dataDir, 'pg/run/.s.PGSQL.5432').length
  expect(await refusal(dataDir)).toMatch(
    new RegExp(`would be ${bytes} bytes long.* at least ${bytes - 107} bytes shorter\\.$`),
  )
})

test('the longest socket path that the system allows', () => {
  const longest = 107 - '/.s.PGSQL.5432'.length
  expect(() => checkSocketPath(`/${'x'.repeat(longest - 1)}`)).not.toThrow()
  expect(() => checkSocketPath(`/${'x'.repeat(longest)}`)).toThrow(StartError)
  // Bytes count, not letters.
  expect(() => checkSocketPath(`/${'é'.repeat(Math.ceil(longest / 2))}`)).toThrow(StartError)
})

test('the longest socket path works', async () => {
  const base = tempFolder()
  const dataDir = join(base, 'x'.repeat(107 - join(base, 'pg/run/.s.PGSQL.5432').length - 1))
  await using embedded = await startEmbedded({ dataDir })
  expect(join(embedded.connection.host, '.s.PGSQL.5432')).toHaveLength(107)
})

test('a database of another version', async () => {
  const dataDir = tempFolder()
  await (await startEmbedded({ dataDir })).stop()
  fs.writeFileSync(join(dataDir, 'pg/18/PG_VERSION'), '19\n')
  expect(await refusal(dataDir)).toContain(
    'was made by PostgreSQL "19" and this Patchbase brings PostgreSQL 18',
  )
  fs.renameSync(join(dataDir, 'pg/18'), join(dataDir, 'pg/17'))
  expect(await refusal(dataDir)).toContain(
    'holds a database of PostgreSQL 17 and this Patchbase brings PostgreSQL 18',
  )
  expect(fs.readdirSync(join(dataDir, 'pg'))).not.toContain('18')
})

test('a cluster folder with something else in it', async () => {
  const dataDir = tempFolder()
  await (await startEmbedded({ dataDir })).stop()
  fs.rmSync(join(dataDir, 'pg/18/PG_VERSION'))
  expect(await refusal(dataDir)).toContain('is not empty and holds no PostgreSQL database')
  expect(fs.readdirSync(join(dataDir, 'pg/18'))).toContain('base')
})

test('a file where the data folder should be', async () => {
  const dataDir = join(tempFolder(), 'file')
  fs.writeFileSync(dataDir, '')
  expect(await refusal(dataDir)).toBe(`${dataDir} is not a folder; move it away, or use another --data-dir.`)
  fs.rmSync(dataDir)
  fs.mkdirSync(join(dataDir, 'pg'), { recursive: true, mode: 0o700 })
  fs.symlinkSync('/tmp', join(dataDir, 'pg/run'))
  expect(await refusal(dataDir)).toContain('pg/run is not a folder')
})

test('a PostgreSQL that does not start: the last lines of its log are shown', async () => {
  const dataDir = tempFolder()
  const message = await refusal(dataDir, { shared_buffers: 'plenty' })
  expect(message).toMatch(
    /^Starting PostgreSQL \(ended with 1\) failed: .*contains errors.*\.\nThe last lines of /,
  )
  expect(message).toContain('invalid value for parameter "shared_buffers": "plenty"')
  await using embedded = await startEmbedded({ dataDir })
  expect(embedded.pid).toBeGreaterThan(0)
})

test('binaries with a library missing', async () => {
  const packageDir = tempFolder()
  fs.mkdirSync(join(packageDir, 'native/bin'), { recursive: true })
  const postgres = join(packageDir, 'native/bin/postgres')
  fs.writeFileSync(
    postgres,
    '#!/bin/sh\necho "postgres: error while loading shared libraries: libicuuc.so.60: cannot open shared object file: No such file or directory" >&2\nexit 127\n',
    { mode: 0o755 },
  )
  const account = serverAccount()
  await expect(usableBinaries(account, account, { packageDir })).rejects.toThrow(
    'does not run here because the library libicuuc.so.60 is missing; run "npm ci" again',
  )
  fs.writeFileSync(postgres, '#!/no/such/loader\n', { mode: 0o755 })
  await expect(usableBinaries(account, account, { packageDir })).rejects.toThrow('it needs glibc')
})

test('a folder the user may not write to', async (context) => {
  const closed = join(tempFolder(), 'closed')
  fs.mkdirSync(closed, { mode: 0o555 })
  if (!isRoot) {
    expect(await refusal(join(closed, 'data'))).toContain(`may not use ${closed}; give it that folder`)
    return
  }
  // Root may write everywhere, so this is asked as another account.
  fs.chmodSync(join(closed, '..'), 0o755)
  const server = startServer(join(closed, 'data'), { uid: 65534 })
  context.skip((await server.exited) === 126, 'the checkout is closed to other accounts')
  expect(server.stderr()).toBe(
    `StartError: The user that runs Patchbase may not use ${closed}; give it that folder (chown -R), or use another --data-dir.\n`,
  )
})

test('a full disk', async (context) => {
  context.skip(!isRoot, needsRoot)
  const tooSmall = tempDisk(context, '20m')
  expect(await refusal(join(tooSmall, 'data'))).toBe(
    `The disk that holds ${tooSmall}/data/pg/18 is full; free some space and start again.`,
  )
  expect(fs.readdirSync(join(tooSmall, 'data/pg')).filter((name) => name.startsWith('18'))).toEqual([])

  const disk = tempDisk(context, '120m')
  const dataDir = join(disk, 'data')
  await (await startEmbedded({ dataDir })).stop()
  fill(join(disk, 'ballast'))
  expect(await refusal(dataDir)).toContain('is full; free some space and start again.')
  fs.rmSync(join(disk, 'ballast'))
  await using embedded = await startEmbedded({ dataDir })
  expect(embedded.pid).toBeGreaterThan(0)
})

function tempDisk(context: TestContext, size: string): string {
  const path = tempFolder()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'tmpfs', path])
  context.skip(mounted.status !== 0, 'needs to mount a small disk, which this container may not')
  onTestFinished(() => void execFileSync('umount', ['--lazy', path]))
  return path
}

function fill(path: string): void {
  const fd = fs.openSync(path, 'w')
  const block = Buffer.alloc(4096)
  try {
    for (;;) fs.writeSync(fd, block)
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  } finally {
    fs.closeSync(fd)
  }
}
