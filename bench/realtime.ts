import { type Benchmark, percentile } from './compare.ts'
import { openConnection, requestBytes } from './connection.ts'
import { type Contestant, RECORDS } from './contestant.ts'
import { cpuOfTree } from './cpu.ts'
import { type Subscriber, subscribe } from './subscriber.ts'

const EVENTS = 1000
/** Fewer where each is dear. */
const EVENTS_TO_MANY = 200
const MANY = 100

/**
 * Creates records one after the other and waits for the event of each. All subscribers may see them; the filter of
 * one lets them through.
 */
async function hear(
  contestant: Contestant,
  subscribers: number,
  events: number,
): Promise<{ latencies: number[]; cpu: number }> {
  const { port, token, pid, exception } = contestant
  await using open = new AsyncDisposableStack()
  const client = open.adopt(await openConnection(port), ({ close }) => close())
  let heard: () => void = () => undefined
  const topicOf = (at: number) => {
    const query = { filter: `package_name = "heard-by-${at}"` }
    return `package_exceptions/*?options=${encodeURIComponent(JSON.stringify({ query }))}`
  }
  for (let at = 0; at < subscribers; at++)
    open.adopt(await subscribe(contestant, topicOf(at), () => heard()), (one: Subscriber) => one.close())

  const request = requestBytes('POST', RECORDS, token, exception('heard-by-0'))
  const latencies: number[] = []
  const before = cpuOfTree(pid)
  for (let event = 0; event < events; event++) {
    const arrived = new Promise<void>((resolve) => {
      heard = resolve
    })
    const begin = performance.now()
    const [{ status, body }] = await Promise.all([client.send(request), arrived])
    latencies.push(performance.now() - begin)
    if (status !== 200) throw new Error(`A create was answered with ${status}: ${body}`)
  }
  return { latencies, cpu: (cpuOfTree(pid) - before) / events }
}

export const realtimeLatency: Benchmark = {
  title: 'one realtime event: from sending the create to hearing of it, one subscriber',
  rows: {
    p50: { label: 'latency p50, ms', better: 'less' },
    p99: { label: 'latency p99, ms', better: 'less' },
  },
  async measure(contestant) {
    const { latencies } = await hear(contestant, 1, EVENTS)
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
  },
}

export const realtimeCost: Benchmark = {
  title: `the same with ${MANY} subscribers of whom one matches`,
  rows: {
    cpu: { label: 'server CPU per create and event, ms', better: 'less' },
    p50: { label: 'latency p50, ms', better: 'less' },
    p99: { label: 'latency p99, ms', better: 'less' },
  },
  async measure(contestant) {
    const { latencies, cpu } = await hear(contestant, MANY, EVENTS_TO_MANY)
    return { cpu, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
  },
}
