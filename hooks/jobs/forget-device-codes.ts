import type { Job } from '../../core/jobs.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

const KEEP_SECONDS = 24 * 3600

/** Codes are of no use once expired; a day is for those who look into what happened. */
export const forgetDeviceCodes: Job = {
  name: 'forget-device-codes',
  schedule: '0 7 * * * *',
  async run(app) {
    const before = formatTime(addSeconds(app.clock(), -KEEP_SECONDS))
    await app.database.run('delete from "device_codes" where "expires_at" < $1', [before])
  },
}
