import type { Benchmark } from './compare.ts'
import { memoryOfTree } from './cpu.ts'
import { topicOf } from './realtime.ts'
import { subscribe } from './subscriber.ts'

const STREAMS = 5000
const FIRST = 200
const SETTLE_MS = 3000

const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
const topics = (from: number, count: number) => Array.from({ length: count }, (_, at) => topicOf(from + at))

/** The first streams stay open: with them comes what any stream needs once. */
export const memory: Benchmark = {
  title: `memory of ${STREAMS.toLocaleString('en')} open streams with a topic each, on a server just started`,
  rows: {
    perStream: { label: 'KB per stream', better: 'less' },
    before: { label: 'MB of the server before them', better: 'less' },
  },
  fresh: true,
  rounds: 1,
  async measure(contestant) {
    const first = await subscribe(contestant, topics(0, FIRST), () => undefined)
    await settle()
    const before = memoryOfTree(contestant.pid)
    const others = await subscribe(contestant, topics(FIRST, STREAMS), () => undefined)
    await settle()
    const after = memoryOfTree(contestant.pid)
    first.check()
    others.check()
    await Promise.all([first.close(), others.close()])
    return { perStream: (after - before) / STREAMS, before: before / 1024 }
  },
}
