import { type Agent, agents } from '../../collections/agents.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { readById } from '../../core/records/read.ts'
import type { ReadResult } from '../operations/result.ts'

const RESTARTED = 'The host has been restarted since the update.'

type Told = { read: ReadResult | undefined; bootId: string }

/**
 * Writes down, with the report, that its operation wants the restart it was made with: only an update that succeeded
 * does, and under `if_required` only one that left something to be restarted for.
 */
export async function wishForRestart(event: WriteEvent<PatchOperation>, told: Told): Promise<void> {
  const { database, record: operation } = event
  const { mode, status, outcome, after_patch, lxc_id } = operation
  if (mode !== 'apply' || status !== 'completed' || outcome === 'rolled_back') return
  if (after_patch !== 'always' && after_patch !== 'if_required') return
  const host = lxc_id === '' ? await readById(database, agents, operation.agent_id) : undefined
  // What the script cannot know may be known of the host already.
  const required = told.read?.result.reboot_required ?? host?.reboot_required === true
  if (after_patch === 'if_required' && !required) return
  const isRestarted = isOtherBoot(host, told.bootId)
  operation.after_patch_state = isRestarted ? 'skipped' : 'wanted'
  operation.after_patch_note = isRestarted ? RESTARTED : ''
}

const isOtherBoot = (host: Agent | undefined, bootId: string): boolean =>
  bootId !== '' && !!host?.boot_id && host.boot_id !== bootId
