import type postgres from 'postgres'

/** One connection, whose statements queue up behind one another. */
type Lane = {
  sql: postgres.Sql
  run: RunStatement
  /** Statements that have not been answered yet. */
  waiting: number
  /** A transaction has it to itself. */
  reserved: boolean
}

export type RunStatement = (
  text: string,
  parameters: readonly unknown[],
  prepare: boolean,
) => Promise<readonly postgres.Row[]>

export type Pool = {
  run: RunStatement
  begin<T>(work: (transaction: postgres.TransactionSql) => Promise<T>): Promise<T>
  end(timeoutSeconds: number): Promise<void>
}

export const runOn =
  (connection: postgres.Sql | postgres.TransactionSql): RunStatement =>
  (text, parameters, prepare) =>
    connection.unsafe(text, parameters as postgres.ParameterOrJSON<never>[], { prepare })

/**
 * A pool of clients with one connection each; a statement goes where the fewest wait. The driver's own pool
 * (3.4.9) remembers every turn its connections ever took and searches through them at each statement: after
 * half a million statements from 32 callers it took seven times as long for each.
 */
export function openPool(size: number, open: () => postgres.Sql): Pool {
  const lanes: Lane[] = Array.from({ length: size }, () => {
    const sql = open()
    return { sql, run: runOn(sql), waiting: 0, reserved: false }
  })
  let blocked: (() => void)[] = []

  const leastBusy = (): Lane => {
    let best: Lane | undefined
    for (const lane of lanes) if (!lane.reserved && (!best || lane.waiting < best.waiting)) best = lane
    return best as Lane
  }

  /** One lane is left to single statements, which transactions may be waiting for. */
  const reserve = async (): Promise<Lane> => {
    while (lanes.filter(({ reserved }) => !reserved).length < 2)
      await new Promise<void>((resolve) => {
        blocked.push(resolve)
      })
    const lane = leastBusy()
    lane.reserved = true
    return lane
  }
  const release = (lane: Lane) => {
    lane.reserved = false
    const woken = blocked
    blocked = []
    for (const wake of woken) wake()
  }

  return {
    async run(text, parameters, prepare) {
      const lane = leastBusy()
      lane.waiting++
      try {
        return await lane.run(text, parameters, prepare)
      } finally {
        lane.waiting--
      }
    },
    async begin<T>(work: (transaction: postgres.TransactionSql) => Promise<T>) {
      const lane = await reserve()
      try {
        return (await lane.sql.begin(work)) as T
      } finally {
        release(lane)
      }
    },
    async end(timeoutSeconds) {
      await Promise.all(lanes.map(({ sql }) => sql.end({ timeout: timeoutSeconds })))
    },
  }
}
