import { z } from 'zod'
import { HttpError, Revoked } from './errors.ts'
import type { Answer } from './transport.ts'

const Refreshed = z.object({
  access_token: z.string().min(1),
  expires_in: z.number().positive(),
  refresh_token: z.string().min(1).optional(),
})

/** An access token is exchanged when this share of its life has passed. */
const USED_UP = 0.8
/** A token younger than this is not suspected when a request is refused. */
const FRESH_MS = 60_000

export type Session = {
  /** A token that lives, refreshed where the last one is about to end. */
  token(): Promise<string>
  /** Called where the server refused. True: there is a new token now, so ask again. */
  renewAfterRefusal(status: number): Promise<boolean>
}

/** Runs `ask`, once more with a new token where the last one may be why it was refused. */
export const inSession = async <T>(session: Session | undefined, ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof HttpError && (await session?.renewAfterRefusal(error.status))) return await ask()
    throw error
  }
}

export type SessionOptions = {
  /** Reads the refresh token from the disk; `save` replaces it there before the new one is used. */
  load: () => string
  save: (refreshToken: string) => void
  /** POST without a token. */
  post: (path: string, body: Record<string, unknown>) => Promise<Answer>
  onRevoked: (error: Revoked) => void
}

/**
 * Keeps the access token, in memory only. Its age is taken from both clocks, because the monotonic one stands
 * still while a machine is suspended and the other one can be set back.
 */
export const openSession = ({ load, save, post, onRevoked }: SessionOptions): Session => {
  let access: { token: string; lifeMs: number; wall: number; steady: number } | undefined
  let running: Promise<void> | undefined
  let revoked: Revoked | undefined

  const ageMs = () =>
    access ? Math.max(Date.now() - access.wall, performance.now() - access.steady) : Number.POSITIVE_INFINITY

  const refresh = async () => {
    if (revoked) throw revoked
    const [wall, steady] = [Date.now(), performance.now()]
    try {
      const { data } = await post('/api/agent', { action: 'refresh', refresh_token: load() })
      const answer = Refreshed.parse(data)
      if (answer.refresh_token) save(answer.refresh_token)
      access = { token: answer.access_token, lifeMs: answer.expires_in * 1000, wall, steady }
    } catch (error) {
      if (!(error instanceof HttpError) || ![401, 403].includes(error.status)) throw error
      revoked = new Revoked()
      onRevoked(revoked)
      throw revoked
    }
  }
  // One refresh at a time: with rotation, a second one with the same token would look like theft.
  const refreshOnce = () => {
    running ??= refresh().finally(() => {
      running = undefined
    })
    return running
  }

  return {
    async token() {
      if (!access || ageMs() > access.lifeMs * USED_UP) await refreshOnce()
      return access?.token ?? ''
    },
    async renewAfterRefusal(status) {
      // Record endpoints treat a bad token as a guest's and answer 403 or 404 instead of 401.
      const suspicious = status === 401 || ([403, 404].includes(status) && ageMs() > FRESH_MS)
      if (suspicious) await refreshOnce()
      return suspicious
    },
  }
}
