import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import { type Account, runAs } from './child.ts'
import { checkCluster, refuseOtherVersions } from './cluster-version.ts'
import { type DataFolder, openFolder } from './data-folder.ts'
import { adminRole, childPath } from './postgres-config.ts'
import { onPath, startFailure } from './start-errors.ts'

/**
 * The path of the cluster, made when there is none; to be called by the holder of the folder's lock. Throws
 * StartError, also when what is there belongs to another version or another account.
 */
export async function ensureCluster(
  folder: DataFolder,
  binaries: Binaries,
  server: Account,
  postgres: Account,
): Promise<string> {
  await removeLeftovers(folder, server)
  const cluster = join(folder.pg, String(binaries.major))
  if (!isMissingOrEmpty(cluster)) {
    checkCluster(cluster, binaries.major, postgres)
    return cluster
  }
  refuseOtherVersions(folder, binaries.major)
  await initialise(cluster, binaries, server, postgres)
  return cluster
}

/** initdb works in a folder of another name: a kill leaves either no cluster or a whole one. */
async function initialise(
  cluster: string,
  binaries: Binaries,
  server: Account,
  postgres: Account,
): Promise<void> {
  const fresh = `${cluster}.init-${randomBytes(4).toString('hex')}`
  const fd = onPath(fresh, () => {
    fs.mkdirSync(fresh, { mode: 0o700 })
    const opened = openFolder(fresh)
    // The only time root touches it: while it is empty.
    if (postgres.uid !== server.uid) fs.fchownSync(opened, postgres.uid, postgres.gid)
    return opened
  })
  try {
    const initdb = [
      binaries.initdb,
      '-D',
      childPath.cluster,
      '--username',
      adminRole,
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--locale=C',
      '--data-checksums',
      '--auth=peer',
      '--no-instructions',
    ]
    const { code, signal, stdout, stderr } = await runAs(
      postgres,
      'setpriv',
      ['--pdeathsig', 'KILL', '--', ...initdb],
      { folders: [fd] },
    )
    if (code !== 0)
      throw startFailure('Creating the database (initdb)', failureLines(stdout, stderr, signal), cluster)
    onPath(cluster, () => {
      fs.renameSync(fresh, cluster)
      syncFolder(join(cluster, '..'))
    })
  } catch (error) {
    await removeLeftovers({ pg: join(cluster, '..') }, server)
    throw error
  } finally {
    fs.closeSync(fd)
  }
}

/** initdb ends with words about its cleaning up; the reason is above them. */
function failureLines(stdout: string, stderr: string, signal: NodeJS.Signals | null): string {
  const lines = stderr.split('\n').filter((line) => line && !/^initdb: (removing|data directory)/.test(line))
  return lines.length > 0 ? lines.join('\n') : signal ? `it was ended by ${signal}` : stdout
}

/** Unfinished clusters of a start that was killed. By `rm`, which cannot be led outside by a changing tree. */
async function removeLeftovers(folder: { pg: string }, server: Account): Promise<void> {
  const leftovers = onPath(folder.pg, () => fs.readdirSync(folder.pg))
    .filter((name) => /^\d+\.init-/.test(name))
    .map((name) => join(folder.pg, name))
  if (leftovers.length === 0) return
  for (const started = performance.now(); ; await wait(100)) {
    const { code, stderr } = await runAs(server, 'rm', ['-rf', '--', ...leftovers])
    if (code === 0) return
    // What a killed initdb had started goes on writing until it notices.
    if (!/Directory not empty/.test(stderr) || performance.now() - started > 10_000)
      throw startFailure('Removing an unfinished database', stderr, folder.pg)
  }
}

const isMissingOrEmpty = (path: string): boolean =>
  onPath(path, () => !fs.lstatSync(path, { throwIfNoEntry: false }) || fs.readdirSync(path).length === 0)

function syncFolder(path: string): void {
  const fd = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
