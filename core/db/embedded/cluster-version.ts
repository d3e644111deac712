import * as fs from 'node:fs'
import { join } from 'node:path'
import { StartError } from '../../errors.ts'
import type { Account } from './child.ts'
import { type DataFolder, foreignOwner } from './data-folder.ts'
import { onPath } from './start-errors.ts'

/** Whether the folder is a database of this version and account. Throws StartError when not. */
export function checkCluster(cluster: string, major: number, postgres: Account): void {
  const found = onPath(cluster, () => fs.lstatSync(cluster))
  if (found.uid !== postgres.uid) throw foreignOwner(cluster, found.uid, postgres)
  const path = join(cluster, 'PG_VERSION')
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  if (!fs.lstatSync(path, { throwIfNoEntry: false }))
    throw new StartError(
      `${cluster} is not empty and holds no PostgreSQL database (no PG_VERSION); move it away, or use another --data-dir.`,
    )
  const version = onPath(path, () =>
    fs.readFileSync(path, { encoding: 'utf8', flag: O_RDONLY | O_NOFOLLOW | O_NONBLOCK }),
  ).trim()
  if (version !== String(major))
    throw new StartError(
      `The database in ${cluster} was made by PostgreSQL ${JSON.stringify(version)} and this Patchbase brings PostgreSQL ${major}, which cannot read it; start the Patchbase that made it, or use another --data-dir.`,
    )
}

/** A new empty database beside the old one would look like the loss of everything. */
export function refuseOtherVersions(folder: DataFolder, major: number): void {
  const other = onPath(folder.pg, () => fs.readdirSync(folder.pg)).find((name) => /^\d+$/.test(name))
  if (other !== undefined && Number(other) !== major)
    throw new StartError(
      `${folder.pg} holds a database of PostgreSQL ${other} and this Patchbase brings PostgreSQL ${major}, which cannot read it; make a backup with the Patchbase that made it and restore it into a new --data-dir.`,
    )
}
