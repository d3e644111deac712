import { MANAGERS } from '../collections/parts/platforms.ts'
import { patchOperations } from '../collections/patch-operations.ts'
import { type Script, scripts } from '../collections/scripts.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { findOne } from '../core/records/read.ts'

export default hooksFor(scripts, {
  async create(event, next) {
    const { record, uploads, caller } = event
    const upload = uploads.findLast(({ field }) => field === 'file')
    if (upload) {
      record.sha256 = upload.sha256
      record.size = upload.size
      record.package_manager ||= managerOf(upload.originalName)
    }
    record.built_in = caller.act === 'built-in'
    return next()
  },

  // Operations name a script by hash: the bytes behind an id must never change.
  async update({ record, before }, next) {
    if (record.file !== before.file)
      throw new BadRequest('Failed to update record.', {
        file: {
          code: 'validation_invalid_file',
          message: 'A script does not change; upload the new version as a new script.',
        },
      })
    return next()
  },

  async delete({ database, record }, next) {
    const waiting = await findOne(
      database,
      patchOperations,
      `"script_id" = $1 and "status" in ('pending', 'running')`,
      [record.id],
    )
    if (waiting) throw new BadRequest(`Operation ${waiting.id} has yet to run this script.`)
    return next()
  },
})

/** `apt-update.sh` is apt's. */
export function managerOf(fileName: string): Script['package_manager'] {
  const words = fileName.toLowerCase().split(/[^a-z0-9]+/)
  return MANAGERS.find((manager) => words.includes(manager)) ?? ''
}
