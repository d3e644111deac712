import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Identity } from '../core/auth/identify.ts'
import type { Caller } from '../core/records/actor.ts'

/** What middleware leaves for routes. */
export type Env = {
  Bindings: HttpBindings
  Variables: { identity: Identity; caller: Caller; token: string }
}

export type RequestContext = Context<Env>
