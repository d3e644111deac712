import type { PatchOperation } from '../../collections/patch-operations.ts'

/**
 *     pending --claim--> running --report--> completed | failed | cancelled
 *        |                  |
 *        |                  +--lease runs out--> failed (lease_lost), until its claim speaks again
 *        +--owner--> cancelled
 *        +--not_after passes--> expired
 */
export const LEASE_SECONDS = 90
export const NOT_AFTER_SECONDS = 24 * 3600
export const PENDING_DRY_RUNS_MAX = 3
export const MUTABLE_BY_AGENT = '{"status": "running", "claim": "..."}'

export const isFinished = ({ status }: Pick<PatchOperation, 'status'>): boolean =>
  status !== 'pending' && status !== 'running'

/** Failed because nobody was heard of; the script may still be running, so the target stays locked. */
export const isLost = ({ status, outcome }: Pick<PatchOperation, 'status' | 'outcome'>): boolean =>
  status === 'failed' && outcome === 'lease_lost'
