import { agentPackages } from '../collections/agent-packages.ts'
import type { Agent } from '../collections/agents.ts'
import { Forbidden, TooManyRequests } from '../core/errors.ts'
import { fairTurns } from '../core/fair-turns.ts'
import { hooksFor } from '../core/hooks.ts'
import { callerFrom } from '../core/records/actor.ts'
import { readInventory } from './agent-packages/read.ts'
import { storeInventory } from './agent-packages/store.ts'

/** Each is a transaction, which takes a connection; a host that sends one after the other must not take them all. */
const AT_ONCE = 2
const WAITING_OF_ONE_AGENT = 3
const inTurn = fairTurns(AT_ONCE, {
  each: WAITING_OF_ONE_AGENT,
  refusal: () => new TooManyRequests(60, 'Other inventories of this agent are being stored; send it later.'),
})

/** An inventory: everything that is installed on a host, in one report of its agent. It makes no single record. */
export default hooksFor(agentPackages, {
  async create({ app, caller, body, now, reveal }) {
    const agent = callerFrom(caller, 'agents') as Agent | undefined
    if (caller.act !== 'report-packages' || !agent)
      throw new Forbidden('Packages are reported by agents only.')
    await inTurn(agent.id, async () => {
      const { hash, packages, dropped } = readInventory(body)
      await storeInventory(app.database, agent, { hash, packages }, now)
      reveal('stored', String(packages.length))
      reveal('dropped', String(dropped))
    })
  },
})
