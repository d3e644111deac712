import { setTimeout as wait } from 'node:timers/promises'
import type { Chaos } from './chaos.ts'
import { SimulatorError } from './errors.ts'
import { type Fleet, forEachOf } from './fleet.ts'
import type { Ledger } from './ledger.ts'
import type { Live } from './live.ts'
import type { Measures } from './measures.ts'
import type { Options } from './options.ts'
import type { Outputs } from './outputs.ts'
import type { OwnServer } from './own-server.ts'
import type { Owner } from './owner.ts'
import type { Sampler } from './sampler.ts'

/** What a scenario works with. */
export type Run = {
  options: Options
  /** The server's. */
  origin: string
  /** What the hosts' names begin with. */
  fleetName: string
  owner: Owner
  fleet: Fleet
  ledger: Ledger
  measures: Measures
  outputs: Outputs
  server?: OwnServer
  sampler?: Sampler
  chaos?: Chaos
  live: Live
  /** A moment of the server's clock before the first order. */
  since: string
  enrolmentTokens: { id: string; token: string }[]
  /** Operations per request: 1 where the server takes no batches. */
  batch: number
  /** Aborted by a signal, by the end of the server or when the time is over. */
  stop: AbortSignal
}

/** Seconds of what a scenario measures beside latencies. */
export type Figures = Record<string, number>

const ORDERS_AT_ONCE = 4
const SINGLE_ORDERS_AT_ONCE = 32
const LOOK_MS = 50

/** Orders one operation from each of these agents, as fast as the server takes them. */
export async function orderFrom(run: Run, ids: string[]): Promise<void> {
  const { owner, ledger, options, batch } = run
  await inBatches(run, ids, async (agents) => {
    const asked = performance.now()
    ledger.created(await owner.order(agents, options.mode, batch), asked)
  })
}

/** Does something with these agents, as many at once as one request takes. */
export async function inBatches(
  { batch, stop }: Run,
  ids: string[],
  work: (agents: string[]) => Promise<void>,
): Promise<void> {
  const requests = Array.from({ length: Math.ceil(ids.length / batch) }, (_, at) =>
    ids.slice(at * batch, (at + 1) * batch),
  )
  await forEachOf(requests, batch > 1 ? ORDERS_AT_ONCE : SINGLE_ORDERS_AT_ONCE, async (agents) => {
    if (!stop.aborted) await work(agents)
  })
}

/** Looks until it is so. Throws the reason of `stop`. */
export async function until(so: () => boolean, stop: AbortSignal): Promise<void> {
  while (!so()) {
    if (stop.aborted) throw stop.reason ?? new SimulatorError('Stopped.')
    await wait(LOOK_MS)
  }
}

/** Every accepted operation has been reported by its agent. */
export const allDone = ({ ledger, stop }: Run) => until(() => ledger.open().length === 0, stop)

/** Every agent's stream is open and subscribed. */
export const allConnected = ({ measures, options, stop }: Run) =>
  until(() => measures.connected >= options.agents, stop)
