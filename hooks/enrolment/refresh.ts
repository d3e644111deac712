import type { Agent } from '../../collections/agents.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { randomText, sha256 } from '../../core/id.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

/** From its last use. */
const REFRESH_TOKEN_SECONDS = 30 * 24 * 3600

/** A new refresh token, shown once and kept as a hash. */
export function giveRefreshToken(event: WriteEvent<Agent>, record: Agent): void {
  const token = `pbr_${randomText(43)}`
  record.refresh_token_hash = sha256(token)
  record.refresh_token_expires = formatTime(addSeconds(event.now, REFRESH_TOKEN_SECONDS))
  event.reveal('refresh_token', token)
}

/** A used refresh token lives on for another full term. */
export function renewRefreshToken({ record, now }: WriteEvent<Agent>): void {
  record.refresh_token_expires = formatTime(addSeconds(now, REFRESH_TOKEN_SECONDS))
}
