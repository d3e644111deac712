import { Histogram, type Percentiles } from './histogram.ts'

type Calls = { statuses: Map<number, number>; time: Histogram }

export type CallReport = Percentiles & { statuses: Record<string, number> }

/** What the agents' requests were answered with and how long that took, by kind of call. */
export class Measures {
  /** Streams that are open and subscribed. */
  connected = 0
  #calls = new Map<string, Calls>()
  #warnings = new Map<string, number>()

  /** `status` 0: no answer came. Times are of answers. */
  answered(call: string, status: number, ms: number): void {
    let calls = this.#calls.get(call)
    if (!calls) {
      calls = { statuses: new Map(), time: new Histogram() }
      this.#calls.set(call, calls)
    }
    calls.statuses.set(status, (calls.statuses.get(status) ?? 0) + 1)
    if (status !== 0) calls.time.add(ms)
  }

  /** A sentence that an agent would have logged. */
  warned(sentence: string): void {
    this.#warnings.set(sentence, (this.#warnings.get(sentence) ?? 0) + 1)
  }

  /** Answers of all calls by status; 0 stands for none. */
  statuses(): Record<string, number> {
    const sum: Record<string, number> = {}
    for (const { statuses } of this.#calls.values())
      for (const [status, count] of statuses) sum[status] = (sum[status] ?? 0) + count
    return sum
  }

  /** Answers with a status from 500 on. */
  serverErrors(): number {
    return Object.entries(this.statuses()).reduce(
      (sum, [status, count]) => sum + (Number(status) >= 500 ? count : 0),
      0,
    )
  }

  calls(): Record<string, CallReport> {
    const byName = [...this.#calls].sort(([a], [b]) => a.localeCompare(b))
    return Object.fromEntries(
      byName.map(([name, { statuses, time }]) => [
        name,
        { ...time.percentiles(), statuses: Object.fromEntries(statuses) },
      ]),
    )
  }

  warnings(): Record<string, number> {
    return Object.fromEntries([...this.#warnings].sort(([, a], [, b]) => b - a))
  }
}
