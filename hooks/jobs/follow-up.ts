import type { Job } from '../../core/jobs.ts'
import { followUpAll } from '../reboots/follow-up.ts'

/** What waited for another operation, or for a server that ended between a report and the restart it asks for. */
export const followUp: Job = { name: 'follow-up', schedule: '*/10 * * * * *', run: followUpAll }
