import type { RequestContext } from '../../env.ts'

/** One of the actions of `POST /api/agent`; the body still names it. */
export type AgentAction = (c: RequestContext, body: Record<string, unknown>) => Promise<Response>
