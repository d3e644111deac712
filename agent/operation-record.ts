import { z } from 'zod'

/** What the agent reads of a `patch_operations` record. Fields it does not know are none of its business. */
export const Operation = z.object({
  // It becomes a folder's name.
  id: z.string().regex(/^[a-z0-9]{15}$/, 'id must be 15 characters a-z0-9'),
  status: z.string(),
  mode: z.string(),
  lxc_id: z.string().nullish(),
  vmid: z.union([z.string(), z.number()]).nullish(),
  script_id: z.string().default(''),
  script_url: z.string().default(''),
  script_sha256: z.string().default(''),
  exclusions: z.array(z.string()).nullish(),
  security_only: z.boolean().default(false),
  packages: z.array(z.string()).nullish(),
  snapshot: z.boolean().default(false),
  /** Nobody has asked for the snapshot by name. */
  snapshot_optional: z.boolean().default(false),
  start_stopped: z.boolean().default(false),
  timeout_seconds: z.number().nullish(),
  claim: z.string().nullish(),
  cancel_requested_at: z.string().nullish(),
  started_at: z.string().nullish(),
})
export type Operation = z.infer<typeof Operation>

export const TIMEOUT_SECONDS_DEFAULT = 7200

/** Why an operation was not run: reported as failed with this outcome. */
export type Refusal = { outcome: 'not_started' | 'hash_mismatch' | 'bad_signature'; message: string }

const NAME = /^[A-Za-z0-9@_*][A-Za-z0-9@._+:~*-]*$/

const badName = (name: string) => !NAME.test(name) || /^\*+$/.test(name)

/** The number of the container that it is for; undefined where it is for the host. */
export const containerOf = ({ lxc_id, vmid }: Operation): number | undefined =>
  lxc_id || vmid ? Number(vmid) : undefined

/** Proxmox has no others. */
const isVmid = (vmid: number) => Number.isInteger(vmid) && vmid >= 100 && vmid <= 999_999_999

/**
 * The script's arguments, or why there are none. Built from the typed fields alone; the record's own `script_args`
 * is for older agents and is not looked at. `isNode`: this host has containers.
 */
export const scriptArguments = (
  operation: Operation,
  isNode = false,
): { args: string[] } | { refusal: Refusal } => {
  const refuse = (message: string) => ({ refusal: { outcome: 'not_started', message } as const })
  const { mode, exclusions, packages, security_only } = operation
  const vmid = containerOf(operation)
  if (mode !== 'dry-run' && mode !== 'apply') return refuse(`mode "${mode}" is not known to this agent.`)
  // Run on the host, a container's operation would patch the wrong system.
  if (vmid !== undefined && !isNode)
    return refuse('This host is no Proxmox node, and has no containers. Nothing was run.')
  if (vmid !== undefined && !isVmid(vmid))
    return refuse(`vmid ${JSON.stringify(operation.vmid)} is no container's number. Nothing was run.`)
  for (const [field, names] of Object.entries({ exclusions, packages })) {
    const bad = names?.find(badName)
    if (bad !== undefined) return refuse(`${field} holds ${JSON.stringify(bad)}, which is no package name.`)
  }
  const args = mode === 'dry-run' ? ['--dry-run'] : []
  if (security_only) args.push('--security')
  if (exclusions?.length) args.push('--exclude', exclusions.join(','))
  if (packages?.length) args.push('--only', packages.join(','))
  return { args }
}
