import type { Ledger } from './ledger.ts'
import type { Measures } from './measures.ts'
import type { Sampler } from './sampler.ts'

const EVERY_MS = 1000

export type Live = { phase(name: string): void; stop(): void }

export type LiveOptions = {
  agents: number
  ledger: Ledger
  measures: Measures
  server: Sampler | undefined
  out: NodeJS.WriteStream
}

/** Says each second how it stands: one line, or on a terminal a block that is drawn anew. */
export function openLive({ agents, ledger, measures, server, out }: LiveOptions): Live {
  const began = performance.now()
  let phase = 'starting'
  let drawn = 0

  const parts = (): string[] => {
    const { created, heard, claimed, done } = ledger.counts()
    const { heard: hearing, claimed: claiming, done: ending } = ledger.latencies()
    const bad = Object.entries(measures.statuses()).filter(
      ([status]) => status === '0' || Number(status) >= 400,
    )
    const use = server?.sample()
    return [
      `${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${phase}`,
      `connected ${measures.connected}/${agents}`,
      `operations ${created}: heard ${heard}, claimed ${claimed}, done ${done}`,
      `p50/p99 ms: heard ${hearing.p50}/${hearing.p99}, claimed ${claiming.p50}/${claiming.p99}, done ${ending.p50}/${ending.p99}`,
      `refused: ${bad.map(([status, count]) => `${status === '0' ? 'no answer' : status} x ${count}`).join(', ') || 'none'}`,
      use
        ? `server ${Math.round(use.rssMb)} MB (with PostgreSQL ${Math.round(use.treeMb)}), ${use.cpus.toFixed(2)} CPUs`
        : '',
    ].filter(Boolean)
  }
  const draw = () => {
    if (!out.isTTY) {
      out.write(`${parts().join(' | ')}\n`)
      return
    }
    // A line that wrapped would be two, and the block would not be drawn over itself.
    const lines = parts().map((line) => line.slice(0, out.columns))
    // Up over what was drawn before, then clear to the end of the screen.
    out.write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}\x1b[0J${lines.join('\n')}\n`)
    drawn = lines.length
  }
  const timer = setInterval(draw, EVERY_MS)
  return {
    phase(name) {
      phase = name
    },
    stop: () => clearInterval(timer),
  }
}
