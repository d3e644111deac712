import { SimulatorError } from '../errors.ts'
import { allDone, type Figures, orderFrom, type Run, until } from '../run.ts'

/** One agent in so many has an operation when the server is killed. */
const BUSY_SHARE = 10
const BUSY_LEAST = 20

/** The server is killed while operations are waiting and running, and started again; everybody has to come back. */
export async function reconnect(run: Run): Promise<Figures> {
  const { server, fleet, ledger, measures, stop } = run
  if (!server) throw new SimulatorError('--scenario reconnect needs the own server.')
  const busy = Math.max(BUSY_LEAST, Math.ceil(fleet.agents.length / BUSY_SHARE))
  run.live.phase('ordering')
  await orderFrom(
    run,
    fleet.agents.slice(0, busy).map(({ id }) => id),
  )
  await until(() => ledger.counts().claimed * 2 >= ledger.counts().created, stop)
  run.live.phase('killing the server')
  const killed = performance.now()
  await server.kill()
  await until(() => measures.connected === 0, stop)
  const before = fleet.agents.map(({ subscriptions }) => subscriptions)
  run.live.phase('starting the server again')
  await server.restart()
  const listening = performance.now()
  run.live.phase('reconnecting')
  // Each once: with chaos some are always on their way.
  await until(() => fleet.agents.every(({ subscriptions }, at) => subscriptions > (before[at] ?? 0)), stop)
  const back = performance.now()
  run.live.phase('working')
  await allDone(run)
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000
  return {
    serverAway: seconds(killed, listening),
    /** From the moment the server listens again until every agent's stream is subscribed. */
    allBack: seconds(listening, back),
    done: seconds(killed, performance.now()),
  }
}
