import { agentPackages } from '../collections/agent-packages.ts'
import type { Agent } from '../collections/agents.ts'
import { Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'
import { callerFrom } from '../core/records/actor.ts'
import { readInventory } from './agent-packages/read.ts'
import { storeInventory } from './agent-packages/store.ts'

/** An inventory: everything that is installed on a host, in one report of its agent. It makes no single record. */
export default hooksFor(agentPackages, {
  async create({ app, caller, body, now, reveal }) {
    const agent = callerFrom(caller, 'agents') as Agent | undefined
    if (caller.act !== 'report-packages' || !agent)
      throw new Forbidden('Packages are reported by agents only.')
    const { hash, packages, dropped } = readInventory(body)
    await storeInventory(app.database, agent, { hash, packages }, now)
    reveal('stored', String(packages.length))
    reveal('dropped', String(dropped))
  },
})
