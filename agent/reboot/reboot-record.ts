import { z } from 'zod'

/** What the agent reads of a `reboot_operations` record. */
export const Reboot = z.object({
  // It becomes a file's name.
  id: z.string().regex(/^[a-z0-9]{15}$/, 'id must be 15 characters a-z0-9'),
  status: z.string(),
  lxc_id: z.string().nullish(),
  vmid: z.union([z.string(), z.number()]).nullish(),
  timeout_seconds: z.number().positive().nullish(),
  boot_id_before: z.string().nullish(),
})
export type Reboot = z.infer<typeof Reboot>

export const TIMEOUT_SECONDS_DEFAULT = 300

/** The container to restart by its number, the host, or why it is neither. */
export type Target = { vmid: number } | 'host' | { refusal: string }

/** A record that speaks of a container at all is never one of the host. */
export const targetOf = ({ lxc_id, vmid }: Reboot): Target => {
  if (!lxc_id && !vmid) return 'host'
  const number = Number(vmid)
  return Number.isSafeInteger(number) && number > 0
    ? { vmid: number }
    : { refusal: `The container to restart has no number that can be used (${JSON.stringify(vmid)}).` }
}
