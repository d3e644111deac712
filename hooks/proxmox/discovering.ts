import type { Agent } from '../../collections/agents.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { withoutDeadlock } from '../../core/db/without-deadlock.ts'
import { BadRequest, Forbidden, TooManyRequests } from '../../core/errors.ts'
import { fairTurns } from '../../core/fair-turns.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { actingAs, type Caller, callerFrom } from '../../core/records/actor.ts'
import type { Records } from '../../core/records/index.ts'

/** The acts of an agent's report as a whole, and of each record that follows from it. */
export const INGEST = 'ingest'
const DISCOVER = 'discover'

/** Where what a report says is written, in one transaction. */
export type Discovery = { app: App; transaction: Executor; records: Records; caller: Caller; now: Date }

/** Each may take a connection for a while; one host must not take them all. */
const AT_ONCE = 2
const WAITING_OF_ONE_AGENT = 8
const inTurn = fairTurns(AT_ONCE, {
  each: WAITING_OF_ONE_AGENT,
  refusal: () => new TooManyRequests(60, 'Other reports of this agent are being stored; send it later.'),
})

/** Throws Forbidden unless an agent reports by its own endpoint; runs the work in its turn. */
export async function reporting<R>(
  { caller }: WriteEvent<R>,
  work: (agent: Agent) => Promise<void>,
): Promise<void> {
  const agent = callerFrom(caller, 'agents') as Agent | undefined
  if (caller.act !== INGEST || !agent)
    throw new Forbidden('What there is on Proxmox is reported by agents only, to /api/proxmox.')
  await inTurn(agent.id, () => work(agent))
}

export const isDiscovery = ({ act }: Caller): boolean => act === DISCOVER

/**
 * Writes in one transaction, after all others that concern this agent or cluster. Throws Forbidden where the agent was
 * revoked or deleted meanwhile.
 */
export function discovering<T, R>(
  { app, caller, now }: WriteEvent<R>,
  agent: Agent,
  cluster: string,
  work: (discovery: Discovery) => Promise<T>,
): Promise<T> {
  const attempt = () =>
    app.transaction(async (transaction) => {
      // Agents before clusters before guests, in this order everywhere.
      const alive = await transaction.run(
        `select 1 from "agents" where "id" = $1 and "status" <> 'revoked' for no key update`,
        [agent.id],
      )
      if (alive.length === 0) throw new Forbidden('The agent was revoked or deleted.')
      if (cluster !== '')
        await transaction.run(`select 1 from "proxmox_cluster" where "id" = $1 for update`, [cluster])
      const records = app.records.within(transaction)
      return work({ app, transaction, records, caller: actingAs(caller, DISCOVER, true), now })
    })
  return withoutDeadlock(() =>
    attempt().catch((error: unknown) => {
      // Another node of the cluster was first; what it has made is there now.
      if (error instanceof BadRequest && Object.values(error.data).some(isTaken)) return attempt()
      throw error
    }),
  )
}

const isTaken = ({ code }: { code?: unknown }): boolean => code === 'validation_not_unique'
