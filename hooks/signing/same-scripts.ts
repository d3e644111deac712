import { type Script, scripts } from '../../collections/scripts.ts'
import type { Executor } from '../../core/db/database.ts'
import { findAll } from '../../core/records/read.ts'

/** All records of one script, oldest first: its versions, among which a signature has its sequence. */
export const sameScripts = (
  database: Executor,
  { platform_family, os_version, name }: Pick<Script, 'platform_family' | 'os_version' | 'name'>,
): Promise<Script[]> =>
  findAll(
    database,
    scripts,
    '"platform_family" = $1 and "os_version" = $2 and "name" = $3 order by "created", "_seq"',
    [platform_family, os_version, name],
  )
