import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { StartError } from '../../errors.ts'
import type { Account } from './child.ts'
import { onPath } from './start-errors.ts'

/** Where everything is. `pg` and what is in it belong to the server, save `run` and the cluster: PostgreSQL's. */
export type DataFolder = {
  pg: string
  /** The unix socket. */
  run: string
  /** The settings, written at every start; PostgreSQL may read but not change them. */
  conf: string
  log: string
  lock: string
}

/** sockaddr_un holds 108 bytes with the closing zero. */
const longestSocketPath = 107

/** Creates the data folder and `pg` in it when missing, and checks that `pg` is ours alone. Throws StartError. */
export function openDataFolder(dataDir: string, server: Account): DataFolder {
  const wanted = resolve(dataDir)
  onPath(wanted, () => fs.mkdirSync(wanted, { recursive: true, mode: 0o700 }))
  const pg = join(
    onPath(wanted, () => fs.realpathSync(wanted)),
    'pg',
  )
  const run = join(pg, 'run')
  checkSocketPath(run)
  ownFolder(pg, server, server, 0o700)
  return {
    pg,
    run,
    conf: join(pg, 'conf'),
    log: join(pg, 'postgres.log'),
    lock: join(pg, 'server.lock'),
  }
}

/** The folders in `pg`; to be called by the holder of the lock. Throws StartError. */
export function prepareFolders(folder: DataFolder, server: Account, postgres: Account): void {
  ownFolder(folder.run, postgres, server, 0o700)
  // Readable by PostgreSQL's account; nobody else gets past pg.
  ownFolder(folder.conf, server, server, 0o755)
  // Left by a kill. The process ids in them mean nothing any more, and no PostgreSQL of this folder is alive.
  for (const name of ['.s.PGSQL.5432', '.s.PGSQL.5432.lock'])
    onPath(folder.run, () => fs.rmSync(join(folder.run, name), { force: true }))
}

export function checkSocketPath(run: string): void {
  const bytes = Buffer.byteLength(join(run, '.s.PGSQL.5432'))
  if (bytes > longestSocketPath)
    throw new StartError(
      `The path of PostgreSQL's socket in ${run} would be ${bytes} bytes long, and the system allows ${longestSocketPath}; use a --data-dir whose path is at least ${bytes - longestSocketPath} bytes shorter.`,
    )
}

/** A folder of exactly this owner and mode, created when missing. Links are not followed: root chowns here. */
function ownFolder(path: string, owner: Account, server: Account, mode: number): void {
  onPath(path, () => {
    fs.mkdirSync(path, { recursive: true, mode })
    const found = fs.lstatSync(path)
    if (!found.isDirectory())
      throw new StartError(`${path} is not a folder; move it away, or use another --data-dir.`)
    if (found.uid !== owner.uid) {
      // Ours and empty: new, or a kill came between making it and giving it away.
      if (found.uid !== server.uid || fs.readdirSync(path).length > 0)
        throw foreignOwner(path, found.uid, owner)
      fs.chownSync(path, owner.uid, owner.gid)
    }
    if ((found.mode & 0o777) !== mode) fs.chmodSync(path, mode)
  })
}

export const foreignOwner = (path: string, uid: number, expected: Account) =>
  new StartError(
    `${path} belongs to the user with id ${uid}, and not to "${expected.name}" as it must; start Patchbase as the user it was started as before, give the folder to "${expected.name}" (chown -R ${expected.name}: ${path}), or use another --data-dir.`,
  )

/** For passing on to a child, see runAs. The caller closes it. */
export const openFolder = (path: string): number =>
  onPath(path, () =>
    fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW),
  )
