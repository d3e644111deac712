import { forgetOtps } from '../../core/auth/otp.ts'
import type { Job } from '../../core/jobs.ts'

/** Whoever asks for a code leaves a row, whether or not he exists. */
export const forgetExpiredOtps: Job = {
  name: 'forget-otps',
  schedule: '15 */5 * * * *',
  run: forgetOtps,
}
