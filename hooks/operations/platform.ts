import type { Agent } from '../../collections/agents.ts'
import { lxcOsMap } from '../../collections/lxc-os-map.ts'
import { type Script, scripts } from '../../collections/scripts.ts'
import type { Executor } from '../../core/db/database.ts'
import { NotFound } from '../../core/errors.ts'
import { findAll, findOne } from '../../core/records/read.ts'
import type { Container } from '../ownership.ts'

export type Platform = { family: string; osVersion: string; manager: string }

/** What runs on the target: the host as its agent says, a container as discovery does. */
export async function platformOf(database: Executor, agent: Agent, container?: Container): Promise<Platform> {
  if (!container)
    return {
      family: agent.platform_family,
      osVersion: agent.os_version,
      manager: agent.package_manager,
    }
  const { os_version: osVersion, package_manager: manager } = container
  // What is unknown although somebody has looked inside stays so.
  const isKnown = osVersion !== '' || container.platform_family !== 'unknown'
  if (container.platform_family && isKnown) return { family: container.platform_family, osVersion, manager }
  const known = await findOne(database, lxcOsMap, '"ostype" = $1', [container.ostype])
  return { family: known?.platform_family ?? 'unknown', osVersion, manager }
}

/** Which managers a family may have, first the one that a host of today has. */
const MANAGERS_OF: Record<string, Script['package_manager'][]> = {
  debian: ['apt'],
  rhel: ['dnf', 'yum'],
  arch: ['pacman'],
  suse: ['zypper'],
  alpine: ['apk'],
}

/**
 * The script for a platform: of its own package manager, then for this very version before any, an uploaded one
 * before a built-in, then the newest. Where the manager is not known (containers, old agents) the family's order
 * decides before all that: a host with dnf has a yum too, which is only another name of dnf.
 */
export async function selectScript(database: Executor, platform: Platform): Promise<Script> {
  const { family, osVersion, manager } = platform
  const managers = MANAGERS_OF[family]
  if (!managers) throw noScript(platform, 'This Linux distribution is not one that can be patched')
  // A script that names no manager, such as an uploaded "ours.sh", is taken to be for any.
  const [script] = await findAll(
    database,
    scripts,
    `"platform_family" = $1 and "os_version" in ('', $2) and ($3 = '' or "package_manager" in ('', $3))
     order by coalesce(array_position($4::text[], "package_manager"), 1),
       "os_version" = '', "built_in", "created" desc, "_seq" desc limit 1`,
    [family, osVersion, manager, manager === '' ? managers : []],
  )
  if (script) return script
  const others = await database.run<{ name: string }>(
    `select distinct "package_manager" as "name" from "scripts" where "platform_family" = $1 and "os_version" in ('', $2)`,
    [family, osVersion],
  )
  throw noScript(
    platform,
    others.length === 0
      ? `There is no patch script for this version of the family ${family}`
      : `No patch script of the family ${family} works with ${manager}, only with ${others.map(({ name }) => name).join(' and ')}`,
  )
}

const noScript = ({ family, osVersion, manager }: Platform, why: string) =>
  new NotFound(
    `${why}. The target's platform: family ${family || 'unknown'}, version ${osVersion || 'unknown'}, package manager ${manager || 'unknown'}. A superuser can upload a script that fits to the collection "scripts".`,
  )
