import { Forbidden, Unauthorized } from '../core/errors.ts'
import { type Caller, isSuperuser } from '../core/records/actor.ts'
import type { RequestContext } from './env.ts'

export function requireSignedIn({ actor }: Caller): void {
  if (actor.kind === 'guest') throw new Unauthorized('The request requires valid record authorization token.')
}

/** A revoked agent is told so; whoever else is nobody here is asked to sign in. */
export function requireNotBarred(c: RequestContext): void {
  if (c.var.identity.barred) throw new Forbidden('This agent was revoked; enrol the host anew.')
}

/** Management is for superusers alone. */
export function requireSuperuser(caller: Caller): void {
  requireSignedIn(caller)
  if (!isSuperuser(caller))
    throw new Forbidden('The authorized record is not allowed to perform this action.')
}
