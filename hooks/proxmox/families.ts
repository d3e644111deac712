import { lxcOsMap } from '../../collections/lxc-os-map.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { BadRequest } from '../../core/errors.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { findAll } from '../../core/records/read.ts'

/** What `ostype` may be in a container's configuration, and what can be patched there. */
const FAMILY_OF = {
  debian: 'debian',
  devuan: 'debian',
  ubuntu: 'debian',
  centos: 'rhel',
  fedora: 'rhel',
  opensuse: 'suse',
  archlinux: 'arch',
  alpine: 'alpine',
  gentoo: 'unknown',
  nixos: 'unknown',
  unmanaged: 'unknown',
} as const

export type Families = ReadonlyMap<string, string>

/** Fills `lxc_os_map` with what it does not name yet; what a superuser has said there stands. */
export async function fillOsMap(app: App): Promise<void> {
  const known = new Set((await findAll(app.database, lxcOsMap, 'true')).map(({ ostype }) => ostype))
  for (const [ostype, platform_family] of Object.entries(FAMILY_OF)) {
    if (known.has(ostype)) continue
    try {
      await app.records.create('lxc_os_map', { body: { ostype, platform_family } }, systemCaller)
    } catch (error) {
      // Another server, started at the same moment, was first.
      if (!(error instanceof BadRequest) || error.data.ostype?.code !== 'validation_not_unique') throw error
    }
  }
}

export async function familiesOf(database: Executor, ostypes: readonly string[]): Promise<Families> {
  const rows = await findAll(database, lxcOsMap, '"ostype" = any($1::text[])', [[...new Set(ostypes)]])
  return new Map(rows.map(({ ostype, platform_family }) => [ostype, platform_family]))
}
