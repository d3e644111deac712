import type { Agent } from '../../collections/agents.ts'
import { Conflict } from '../../core/errors.ts'

/** What the host would refuse by itself; said at once, instead of after the claim. A restart is as much as an apply. */
export function refuseBarred(agent: Agent, mode: string): void {
  if (agent.status !== 'active')
    throw new Conflict(
      `The agent of ${agent.hostname} is ${agent.status}; it would never take the operation.`,
    )
  const { hostname, policy_mode: policy } = agent
  if (policy === 'observe-only' || (policy === 'dry-run-only' && mode === 'apply'))
    throw new Conflict(
      `The policy of ${hostname} is ${policy}; only its administrator can change that, on the host itself.`,
    )
}
