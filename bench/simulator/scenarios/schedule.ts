import { sleep } from '../../../agent/backoff.ts'
import { allDone, type Figures, inBatches, type Run, until } from '../run.ts'

const MINUTE = 60_000
/** Schedules that even a busy server takes in a second. */
const SCHEDULES_PER_SECOND = 100

/** Every agent has a schedule, and all of them are due in the same minute. Times count from that minute. */
export async function schedule(run: Run): Promise<Figures> {
  const { fleet, ledger, live, options, owner, since, batch, stop } = run
  const ids = fleet.agents.map(({ id }) => id)
  const ready = Date.now() + 10_000 + (ids.length / SCHEDULES_PER_SECOND) * 1000
  const due = new Date(Math.ceil(ready / MINUTE) * MINUTE)
  const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`
  live.phase('making schedules')
  await inBatches(run, ids, async (agents) => {
    await owner.schedule(agents, options.mode, cron, batch)
  })
  live.phase('waiting until they are due')
  await sleep(due.getTime() - Date.now(), stop)
  const began = performance.now()
  live.phase('working')
  const seconds = () => Math.round(performance.now() - began) / 1000
  await until(() => ledger.counts().listed >= ids.length, stop)
  const listed = seconds()
  await until(() => ledger.counts().claimed >= ids.length, stop)
  const claimed = seconds()
  const recorded = await owner.operations(since)
  ledger.created(
    recorded.map(({ id }) => id),
    began,
  )
  await allDone(run)
  return { listed, claimed, done: seconds() }
}
