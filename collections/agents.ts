import { z } from 'zod'
import { defineCollection, type RecordOf } from '../core/collection.ts'
import { bool, computed, date, hidden, json, relation, select, text, volatile } from '../core/fields/index.ts'
import { FAMILIES, MANAGERS } from './parts/platforms.ts'
import { signedIn } from './parts/rules.ts'

const view = `${signedIn} && (user_id = @request.auth.id || id = @request.auth.id)`
export const GUARDS = ['server', 'offline'] as const
export const POLICY_MODES = ['full', 'dry-run-only', 'observe-only'] as const
const names = z.array(z.string().max(255)).max(100)

/** The agents, one per host. Made by registration only; what a heartbeat brings is not the owner's to set. */
export const agents = defineCollection({
  name: 'agents',
  fields: {
    user_id: computed(relation('users', { required: true })),
    hostname: text({ required: true, max: 255 }),
    os_type: computed(text({ max: 100 })),
    os_info: computed(text({ max: 255 })),
    os_version: computed(text({ max: 100 })),
    platform_family: computed(select(FAMILIES, { initial: 'unknown' })),
    package_manager: computed(select(MANAGERS)),
    package_manager_version: computed(text({ max: 100 })),
    kernel_version: computed(text({ max: 255 })),
    arch: computed(text({ max: 50 })),
    primary_ip: computed(text({ max: 45 })),
    all_ips: computed(json({ shape: names })),
    version: computed(text({ max: 50 })),
    status: select(['active', 'inactive', 'revoked'], { initial: 'active' }),
    last_seen: computed(date()),
    boot_id: computed(text({ max: 100 })),
    pending_reboot_id: computed(relation('reboot_operations')),
    reboot_required: computed(bool()),
    reboot_reason: computed(text({ max: 500 })),
    compliance: computed(select(['up_to_date', 'updates_available', 'unknown'], { initial: 'unknown' })),
    /** As the last evidence had it; null while there is none. */
    updates_available: computed(json({ shape: z.number() })),
    security_updates: computed(json({ shape: z.number() })),
    /** When the package manager last gave evidence: every repository asked, and answered. */
    checked_at: computed(date()),
    /** Whose signature the host runs scripts by: a key this server holds, or one kept away from it. */
    key_guard: computed(select(GUARDS)),
    /** What the host's own policy lets it be ordered to do. */
    policy_mode: computed(select(POLICY_MODES)),
    tags: json({ shape: names }),
    capabilities: computed(json({ shape: names })),
    update_channel: text({ max: 50 }),
    last_update_at: computed(date()),
    last_update_error: computed(text()),
    refresh_token_hash: hidden(computed(text())),
    refresh_token_expires: volatile(hidden(computed(date()))),
    enrol_key_hash: hidden(computed(text())),
    /** Of the inventory in `agent_packages`. */
    packages_hash: hidden(volatile(computed(text({ max: 64 })))),
  },
  rules: {
    list: view,
    view,
    create: null,
    update: `${signedIn} && user_id = @request.auth.id`,
    delete: `${signedIn} && user_id = @request.auth.id`,
  },
  auth: { tokenSeconds: 3600, password: false, refreshable: false, active: 'status != "revoked"' },
  indexes: [
    { fields: ['user_id'] },
    { fields: ['refresh_token_hash'] },
    { fields: ['user_id', 'enrol_key_hash'], unique: true, where: "enrol_key_hash != ''" },
  ],
})

export type Agent = RecordOf<typeof agents>
