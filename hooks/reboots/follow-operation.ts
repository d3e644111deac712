import { type PatchOperation, patchOperations } from '../../collections/patch-operations.ts'
import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { readVersion } from '../../core/records/read.ts'

/**
 * The restart that an operation asked for is written together with the word that it was: neither is there without the
 * other. Throws Conflict when the operation asks for none any more.
 */
export async function followOperation(event: WriteEvent<RebootOperation>): Promise<void> {
  const found = await readVersion(event.database, patchOperations, event.record.operation_id)
  if (!found) throw new NotFound()
  const operation = found.record as StoredRecord & PatchOperation
  if (operation.after_patch_state !== 'wanted')
    throw new Conflict(`Operation ${operation.id} asks for no restart any more.`)
  alsoUpdate(event, patchOperations, found, { after_patch_state: 'done', after_patch_note: '' })
}

/** The restart will not come (act `skip-after-patch`, `note` says why). */
export function skipAfterPatch(event: WriteEvent<PatchOperation>): void {
  const { before, body } = event
  if (before.after_patch_state !== 'wanted') throw new Conflict('The operation asks for no restart any more.')
  const note = typeof body.note === 'string' ? body.note.slice(0, NOTE_LENGTH_MAX) : ''
  event.record = { ...before, after_patch_state: 'skipped', after_patch_note: note }
}

const NOTE_LENGTH_MAX = 1000
