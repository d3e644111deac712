import { computed, relation } from '../../core/fields/index.ts'

/**
 * Whose a record is, and which machine or container it is about: `user_id` is always the agent's owner, filled by
 * `hooks/ownership.ts`, never by the caller.
 */
export const target = {
  user_id: computed(relation('users', { required: true })),
  agent_id: relation('agents', { required: true, cascade: true }),
}

/** Kept when the container's record goes: a container's schedule must not become the host's. */
export const container = { lxc_id: relation('proxmox_lxc', { keep: true }) }
