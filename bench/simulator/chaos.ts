import { sleep } from '../../agent/backoff.ts'
import { HttpError } from '../../agent/errors.ts'
import type { Transport } from '../../agent/transport.ts'
import type { LeanTransport } from './lean-transport.ts'
import { seededRandom } from './random.ts'

/** Of all requests, how many meet with which trouble. */
const LOSE = 0.04
const REPEAT = 0.08
const LATE = 0.05
const NEVER_SENT = 0.03
/** A late answer to a claim may be too late to start: one in so many is. */
const VERY_LATE = 40
const LATE_MS = 3_000
const VERY_LATE_MS = 11_000
/** How often one agent's connections break, and its stream is not read for a while. */
const CUT_EVERY_MS = 40_000
const STALL_EVERY_MS = 60_000
const STALL_MS = 5_000
const TICK_MS = 100

export type ChaosCounts = Record<
  'answersLost' | 'repeated' | 'late' | 'neverSent' | 'connectionsCut' | 'streamsStalled',
  number
>

/** Trouble of every kind that a network and slow machines make, the same kinds for the same seed. */
export class Chaos {
  readonly counts: ChaosCounts = {
    answersLost: 0,
    repeated: 0,
    late: 0,
    neverSent: 0,
    connectionsCut: 0,
    streamsStalled: 0,
  }
  #random: () => number
  #timer: NodeJS.Timeout | undefined
  #on = false

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** Begins; `transports` is asked anew each time. */
  start(transports: () => readonly LeanTransport[]): void {
    this.#on = true
    this.#timer = setInterval(() => {
      const all = transports()
      this.#some(all, CUT_EVERY_MS, (transport) => {
        this.counts.connectionsCut++
        transport.cut()
      })
      this.#some(all, STALL_EVERY_MS, (transport) => {
        this.counts.streamsStalled++
        transport.stall(this.#random() * STALL_MS)
      })
    }, TICK_MS)
  }

  stop(): void {
    this.#on = false
    clearInterval(this.#timer)
  }

  /** The same transport, whose answers are lost, late or asked for twice. */
  around(transport: Transport): Transport {
    return {
      ...transport,
      request: (...given) => this.#troubled(() => transport.request(...given)),
      list: (...given) => this.#troubled(() => transport.list(...given)),
      upload: (...given) => this.#troubled(() => transport.upload(...given)),
    }
  }

  async #troubled<T>(send: () => Promise<T>): Promise<T> {
    let dice = this.#on ? this.#random() : 1
    const falls = (share: number) => {
      dice -= share
      return dice < 0 && dice >= -share
    }
    if (falls(NEVER_SENT)) {
      this.counts.neverSent++
      throw new HttpError(0, 'The simulator did not send it.')
    }
    if (falls(LOSE)) {
      await send()
      this.counts.answersLost++
      throw new HttpError(0, 'The simulator lost the answer.')
    }
    if (falls(REPEAT)) {
      this.counts.repeated++
      const [first] = await Promise.all([send(), send()])
      return first
    }
    if (falls(LATE)) {
      this.counts.late++
      const answer = await send()
      const most = this.#random() * VERY_LATE < 1 ? VERY_LATE_MS : LATE_MS * this.#random()
      await sleep(most)
      return answer
    }
    return send()
  }

  /** Calls `hit` on as many as fall into one tick when each is hit once in `everyMs`. */
  #some(all: readonly LeanTransport[], everyMs: number, hit: (one: LeanTransport) => void): void {
    const expected = (all.length * TICK_MS) / everyMs
    const count = Math.floor(expected) + (this.#random() < expected % 1 ? 1 : 0)
    for (let done = 0; done < count; done++) {
      const one = all[Math.floor(this.#random() * all.length)]
      if (one) hit(one)
    }
  }
}
