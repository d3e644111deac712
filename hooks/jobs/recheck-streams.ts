import type { Job } from '../../core/jobs.ts'

/** Streams end with their token or their record, and dead connections are found out by writing to them. */
export const recheckStreams: Job = {
  name: 'recheck-streams',
  schedule: '*/30 * * * * *',
  run: (app) => app.realtime.recheck(),
}
