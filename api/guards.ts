import { Forbidden, Unauthorized } from '../core/errors.ts'
import type { Caller } from '../core/records/actor.ts'
import type { RequestContext } from './env.ts'

export function requireSignedIn({ actor }: Caller): void {
  if (actor.kind === 'guest') throw new Unauthorized('The request requires valid record authorization token.')
}

/** A revoked agent is told so; whoever else is nobody here is asked to sign in. */
export function requireNotBarred(c: RequestContext): void {
  if (c.var.identity.barred) throw new Forbidden('This agent was revoked; enrol the host anew.')
}
