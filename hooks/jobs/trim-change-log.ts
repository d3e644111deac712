import type { Job } from '../../core/jobs.ts'

/** The change log is for streams that are a little behind, not an archive. */
export const trimChangeLog: Job = {
  name: 'trim-change-log',
  schedule: '30 * * * * *',
  run: (app) => app.changes.trim(),
}
