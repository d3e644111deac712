import { allDone, type Figures, orderFrom, type Run } from '../run.ts'

/** The storm: every agent gets an operation in the same moment. */
export async function patch(run: Run): Promise<Figures> {
  const began = performance.now()
  run.live.phase('ordering')
  await orderFrom(
    run,
    run.fleet.agents.map(({ id }) => id),
  )
  const ordered = performance.now()
  run.live.phase('working')
  await allDone(run)
  const seconds = (since: number, end: number) => Math.round(end - since) / 1000
  return { ordered: seconds(began, ordered), done: seconds(began, performance.now()) }
}
