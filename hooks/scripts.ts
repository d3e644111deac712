import { MANAGERS } from '../collections/parts/platforms.ts'
import { patchOperations } from '../collections/patch-operations.ts'
import { type Script, scripts } from '../collections/scripts.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { findOne } from '../core/records/read.ts'
import { formatTime } from '../core/time.ts'
import { checkSignature } from './signing/check-signature.ts'
import { sameScripts } from './signing/same-scripts.ts'
import { factsOf, serverSequence, signForServer } from './signing/server-signature.ts'
import { succeed } from './signing/succeed.ts'
import { storedVersion, uploadedVersion } from './signing/version.ts'

export default hooksFor(scripts, {
  async create(event, next) {
    const { record, uploads, caller, now } = event
    record.built_in = caller.act === 'built-in'
    const upload = uploads.findLast(({ field }) => field === 'file')
    // Without a file it is refused anyway.
    if (!upload) return next()
    record.sha256 = upload.sha256
    record.size = upload.size
    record.package_manager ||= managerOf(upload.originalName)
    if (record.manifest !== '' || record.signature !== '') await checkSignature(event)
    else await sign(event, formatTime(now), await uploadedVersion(upload))
    return next()
  },

  async update(event, next) {
    const { app, record, before } = event
    // Operations name a script by hash: the bytes behind an id must never change.
    if (record.file !== before.file)
      throw refusal('file', 'A script does not change; upload the new version as a new script.')
    if (record.manifest !== before.manifest || record.signature !== before.signature)
      await checkSignature(event)
    else if (before.manifest === '') await sign(event, before.created, await storedVersion(app, before))
    else
      for (const field of ['name', 'platform_family', 'os_version'] as const)
        if (record[field] !== before[field])
          throw refusal(field, 'It is part of what is signed; upload the script again as what it is to be.')
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

  deleted: ({ app, before }) => succeed(app, before),
})

const refusal = (field: string, message: string) =>
  new BadRequest('Failed to update record.', {
    [field]: { code: field === 'file' ? 'validation_invalid_file' : 'validation_invalid_value', message },
  })

/** By the server's own key. `created` says where among the versions of this script its place is. */
async function sign(event: WriteEvent<Script>, created: string, version: string): Promise<void> {
  const { app, database, record, before } = event
  const same = await sameScripts(database, record)
  const sequence = serverSequence(same, app.signingKey.id, { id: before.id, created })
  Object.assign(record, signForServer(app, factsOf(record), { sequence, created, version }))
}

/** `apt-update.sh` is apt's. */
export function managerOf(fileName: string): Script['package_manager'] {
  const words = fileName.toLowerCase().split(/[^a-z0-9]+/)
  return MANAGERS.find((manager) => words.includes(manager)) ?? ''
}
