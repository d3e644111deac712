import { Histogram, type Percentiles } from './histogram.ts'

/** When what happened to one operation, in milliseconds of `performance.now()`. */
export type Entry = {
  /** Its create request was sent. */
  asked?: number
  heard?: number
  listed?: number
  claimed?: number
  /** Its report was answered. */
  done?: number
  /** How often its script was started: more than once is a fault. */
  starts: number
}

const STEPS = ['heard', 'listed', 'claimed', 'done'] as const
export type Step = (typeof STEPS)[number]

export type Latencies = Record<Step, Percentiles>

/** Every operation of this run, as its agent and its user see it. */
export class Ledger {
  readonly entries = new Map<string, Entry>()
  #spans: Record<Step, Histogram> = {
    heard: new Histogram(),
    listed: new Histogram(),
    claimed: new Histogram(),
    done: new Histogram(),
  }

  /** The user's request was answered: these operations exist. */
  created(ids: readonly string[], asked: number): void {
    for (const id of ids) {
      const entry = this.#entry(id)
      entry.asked = asked
      // An agent may know of it before the answer is here.
      for (const step of STEPS) {
        const at = entry[step]
        if (at !== undefined) this.#spans[step].add(at - asked)
      }
    }
  }

  /** The agent came to a step; only the first time counts. */
  reached(step: Step, id: string, now = performance.now()): void {
    const entry = this.#entry(id)
    if (entry[step] !== undefined) return
    entry[step] = now
    if (entry.asked !== undefined) this.#spans[step].add(now - entry.asked)
  }

  started(id: string): void {
    this.#entry(id).starts++
  }

  /** How many operations there are, and how many have come to each step. */
  counts(): Record<'created' | Step, number> {
    const counts = { created: 0, heard: 0, listed: 0, claimed: 0, done: 0 }
    for (const entry of this.entries.values()) {
      if (entry.asked !== undefined) counts.created++
      for (const step of STEPS) if (entry[step] !== undefined) counts[step]++
    }
    return counts
  }

  /** Operations that were accepted and that no agent has reported. */
  open(): string[] {
    return [...this.entries].flatMap(([id, { asked, done }]) =>
      asked !== undefined && done === undefined ? [id] : [],
    )
  }

  latencies(): Latencies {
    const of = (step: Step) => this.#spans[step].percentiles()
    return { heard: of('heard'), listed: of('listed'), claimed: of('claimed'), done: of('done') }
  }

  #entry(id: string): Entry {
    let entry = this.entries.get(id)
    if (!entry) {
      entry = { starts: 0 }
      this.entries.set(id, entry)
    }
    return entry
  }
}
