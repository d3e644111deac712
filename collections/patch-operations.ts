import { z } from 'zod'
import { defineCollection, type RecordOf } from '../core/collection.ts'
import {
  bool,
  computed,
  date,
  file,
  json,
  number,
  relation,
  select,
  text,
  volatile,
} from '../core/fields/index.ts'
import { ownerOrAgent, signedIn } from './parts/rules.ts'
import { container, target } from './parts/targets.ts'

export const OUTCOMES = [
  'rolled_back',
  'interrupted',
  'not_started',
  'lease_lost',
  'timeout',
  'hash_mismatch',
  'bad_signature',
  'already_done',
] as const

const LOG_BYTES_MAX = 256 * 1_048_576
const names = z.array(z.string()).max(1000)

/** One run of a patch script on one host or in one container. `hooks/patch-operations.ts` has its states. */
export const patchOperations = defineCollection({
  name: 'patch_operations',
  fields: {
    ...target,
    ...container,
    vmid: computed(number()),
    mode: select(['dry-run', 'apply'], { required: true }),
    status: select(['pending', 'running', 'completed', 'failed', 'cancelled', 'expired'], {
      initial: 'pending',
    }),
    outcome: computed(select(OUTCOMES)),
    script_id: computed(relation('scripts', { keep: true })),
    script_url: computed(text()),
    script_sha256: computed(text()),
    script_args: computed(text({ max: 300_000 })),
    /** What is asked for and what exceptions keep back, together. */
    exclusions: json({ shape: names }),
    /** What the caller himself asked to leave out, apart from the exceptions that hold at the claim. */
    requested_exclusions: computed(json({ shape: names })),
    security_only: bool(),
    packages: json({ shape: names }),
    schedule_id: computed(relation('patch_schedules', { keep: true })),
    fleet_schedule_id: computed(relation('fleet_schedules', { keep: true })),
    scheduled_for: computed(date()),
    not_before: date(),
    not_after: date(),
    after_patch: select(['never', 'if_required', 'always'], { initial: 'never' }),
    /** Whether the restart that `after_patch` asks for is still to come, was asked for, or will not be, and why. */
    after_patch_state: computed(select(['wanted', 'done', 'skipped'])),
    after_patch_note: computed(text({ max: 1000 })),
    snapshot: bool(),
    /** Nobody has asked for the snapshot by name: without one the operation goes on. */
    snapshot_optional: computed(bool()),
    start_stopped: bool(),
    timeout_seconds: number({ required: true, min: 60, max: 86_400, integer: true, initial: 7200 }),
    /** Why its agent was last told to wait. */
    waiting_for: volatile(computed(text({ max: 1000 }))),
    claim: text({ max: 100 }),
    lease_expires_at: volatile(computed(date())),
    cancel_requested_at: computed(date()),
    started_at: computed(date()),
    completed_at: computed(date()),
    exit_code: computed(json({ shape: z.number() })),
    updates_available: computed(json({ shape: z.number() })),
    error_message: computed(text({ max: 20_000 })),
    stdout_file: file({ maxBytes: LOG_BYTES_MAX }),
    stderr_file: file({ maxBytes: LOG_BYTES_MAX }),
    result: computed(json()),
  },
  rules: {
    list: ownerOrAgent,
    view: ownerOrAgent,
    create: signedIn,
    update: ownerOrAgent,
    delete: `${signedIn} && user_id = @request.auth.id`,
  },
  indexes: [
    { fields: ['agent_id', 'status'] },
    { fields: ['user_id', 'created'] },
    { fields: ['agent_id', 'created'] },
    { fields: ['status', 'lease_expires_at'], where: "status in ('pending', 'running')" },
    { fields: ['schedule_id', 'scheduled_for'], unique: true, where: "schedule_id != ''" },
    {
      fields: ['fleet_schedule_id', 'scheduled_for', 'agent_id'],
      unique: true,
      where: "fleet_schedule_id != ''",
    },
    { fields: ['after_patch_state'], where: "after_patch_state = 'wanted'" },
  ],
})

export type PatchOperation = RecordOf<typeof patchOperations>
