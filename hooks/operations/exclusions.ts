import { packageExceptions } from '../../collections/package-exceptions.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { Executor } from '../../core/db/database.ts'
import { findAll } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'

type Target = Pick<PatchOperation, 'agent_id' | 'lxc_id'>

/**
 * Of the names of one target's exceptions, and of those in one request, with their commas: both go to the script in
 * one argument, which Linux lets have 131,072 bytes.
 */
export const NAMES_LENGTH_MAX = 60_000

/** The names that exceptions keep back on exactly this target at this moment; the host's never reach a container. */
export async function exceptionsFor(
  database: Executor,
  { agent_id, lxc_id }: Target,
  now: Date,
): Promise<string[]> {
  const active = await findAll(
    database,
    packageExceptions,
    // A container is the same wherever it runs.
    `($2 <> '' or "agent_id" = $1) and "lxc_id" = $2 and "is_active" and ("expires_at" = '' or "expires_at" > $3)`,
    [agent_id, lxc_id, formatTime(now)],
  )
  return active.map(({ package_name }) => package_name)
}

export const merged = (...lists: (readonly string[] | null)[]): string[] =>
  [...new Set(lists.flatMap((list) => list ?? []))].sort()

/** The arguments as one text, for agents that build none of their own. */
export function scriptArgs(operation: PatchOperation): string {
  const { mode, exclusions, security_only, packages } = operation
  const parts = [
    mode === 'dry-run' && '--dry-run',
    security_only && '--security',
    packages && packages.length > 0 && `--only ${packages.join(',')}`,
    exclusions && exclusions.length > 0 && `--exclude ${exclusions.join(',')}`,
  ]
  return parts.filter(Boolean).join(' ')
}
