import type { LeanTransport } from './lean-transport.ts'
import { SimulatedAgent, type World } from './simulated-agent.ts'

/** How many enrol at once. */
const AT_ONCE = 64
const STOPS_AT_ONCE = 500

export type Fleet = {
  agents: SimulatedAgent[]
  transports(): LeanTransport[]
  /** Enrols all and starts each as soon as it is; heartbeats are spread over their interval. */
  enrol(tokenFor: (at: number) => string, stop: AbortSignal): Promise<void>
  stop(): Promise<void>
}

export function openFleet(world: World, count: number): Fleet {
  const agents = Array.from({ length: count }, (_, at) => new SimulatedAgent(world, at))
  return {
    agents,
    transports: () => agents.flatMap(({ transport }) => transport ?? []),
    async enrol(tokenFor, stop) {
      const { heartbeatMs } = world.timings
      const began = performance.now()
      await forEachOf(agents, AT_ONCE, async (agent, at) => {
        if (stop.aborted) return
        await agent.enrol(tokenFor(at))
        // Its place in the interval, whenever its enrolment ended.
        const phase = (at / count) * heartbeatMs
        const passed = (performance.now() - began) % heartbeatMs
        await agent.start((phase - passed + heartbeatMs) % heartbeatMs)
      })
    },
    stop: () => forEachOf(agents, STOPS_AT_ONCE, (agent) => agent.stop()),
  }
}

/** Does it to all, `atOnce` at a time. The first failure ends it. */
export async function forEachOf<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < items.length && !failed) {
      const at = next++
      try {
        await act(items[at] as T, at)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
}
