import { sleep } from '../../../agent/backoff.ts'
import { allDone, type Figures, orderFrom, type Run } from '../run.ts'

/** An ordinary day: one operation after the other, each from another agent. */
export async function steady(run: Run): Promise<Figures> {
  const { options, fleet, stop } = run
  const began = performance.now()
  const orders: Promise<void>[] = []
  run.live.phase('ordering one by one')
  const total = Math.round(options.rate * options.seconds)
  for (let at = 0; at < total && !stop.aborted; at++) {
    await sleep(Math.max(0, began + (at / options.rate) * 1000 - performance.now()), stop)
    // Far apart in the fleet, and each again only after all others.
    const agent = fleet.agents[(at * 7919) % fleet.agents.length]
    if (agent) orders.push(orderFrom({ ...run, batch: 1 }, [agent.id]))
  }
  await Promise.all(orders)
  run.live.phase('working')
  await allDone(run)
  return { seconds: Math.round(performance.now() - began) / 1000 }
}
