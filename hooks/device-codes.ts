import { deviceCodes } from '../collections/device-codes.ts'
import { BadRequest } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { randomText, sha256 } from '../core/id.ts'
import { addSeconds, formatTime } from '../core/time.ts'

/** Without the pairs that people confuse: 0 and O, 1 and I. */
const USER_CODE_ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const USER_CODE_LENGTH = 8
/** 26 of 36 letters are 134 bits. */
const DEVICE_CODE_LENGTH = 26
export const DEVICE_CODE_SECONDS = 600

export default hooksFor(deviceCodes, {
  async create(event, next) {
    const { record, now } = event
    const code = randomText(DEVICE_CODE_LENGTH)
    record.device_code = sha256(code)
    record.user_code = randomText(USER_CODE_LENGTH, USER_CODE_ALPHABET)
    record.expires_at = formatTime(addSeconds(now, DEVICE_CODE_SECONDS))
    event.reveal('device_code', code)
    return next()
  },

  async update({ record, before, now }, next) {
    if (before.status !== 'pending' || before.expires_at <= formatTime(now))
      throw new BadRequest('The code is unknown, expired or already used.')
    record.status = 'authorized'
    return next()
  },
})
