import { quote } from '../../core/db/statement.ts'
import type { Job } from '../../core/jobs.ts'
import { addSeconds } from '../../core/time.ts'

const KEEP_SECONDS = 24 * 3600

/**
 * Files that no record names. A crash between file and row leaves one, a deleted or replaced file is one by
 * design: rows go first, bytes a day later.
 */
export const sweepFiles: Job = {
  name: 'sweep-files',
  schedule: '0 17 * * * *',
  async run(app) {
    const before = addSeconds(app.clock(), -KEEP_SECONDS)
    await app.files.sweepTemporary(before)
    for await (const { collection: id, record, name, modified } of app.files.entries()) {
      if (modified >= before) continue
      const collection = app.registry.find(id)
      const fields = [...(collection?.fields ?? [])].filter(([, field]) => field.kind === 'file')
      if (!collection || fields.length === 0) continue
      const named = fields.map(([field]) => `${quote(field)} = $2`).join(' or ')
      const rows = await app.database.run(
        `select 1 from ${quote(collection.name)} where "id" = $1 and (${named})`,
        [record, name],
      )
      if (rows.length === 0) await app.files.remove(id, record, name)
    }
  },
}
