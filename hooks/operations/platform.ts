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
  if (container.platform_family) return { family: container.platform_family, osVersion, manager }
  const known = await findOne(database, lxcOsMap, '"ostype" = $1', [container.ostype])
  return { family: known?.platform_family ?? 'unknown', osVersion, manager }
}

/** The script for a platform: for this very version before any, an uploaded one before a built-in, then the newest. */
export async function selectScript(
  database: Executor,
  { family, osVersion, manager }: Platform,
): Promise<Script> {
  const fitting = await findAll(
    database,
    scripts,
    `"platform_family" = $1 and "os_version" in ('', $2) and ($3 = '' or "package_manager" in ('', $3))
     order by "os_version" = '' , "built_in", "created" desc, "_seq" desc limit 1`,
    [family, osVersion, manager],
  )
  const [script] = fitting
  if (!script || family === 'unknown' || family === '')
    throw new NotFound(
      `There is no patch script for this platform (family ${family || 'unknown'}, version ${osVersion || 'unknown'}, package manager ${manager || 'unknown'}).`,
    )
  return script
}
