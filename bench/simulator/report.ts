import { cpus, release, totalmem } from 'node:os'
import type { ChaosCounts } from './chaos.ts'
import type { Latencies, Step } from './ledger.ts'
import type { CallReport } from './measures.ts'
import type { Options } from './options.ts'
import type { Recorded } from './owner.ts'
import type { Figures, Run } from './run.ts'
import type { Use } from './sampler.ts'
import { outcomes } from './verify.ts'

/** What `--json` writes. Times in ms unless their name says seconds. */
export type Report = {
  passed: boolean
  /** Why not, in sentences. */
  problems: string[]
  startedAt: string
  seconds: number
  machine: { cpus: number; model: string; memoryGb: number; linux: string; node: string }
  scenario: string
  options: Partial<Options>
  agents: { wanted: number; connected: number; enrolSeconds: number }
  figures: Figures
  operations: { counts: Record<'created' | Step, number>; outcomes: Record<string, number> }
  latency: Latencies
  requests: { statuses: Record<string, number>; calls: Record<string, CallReport> }
  /** What the agents would have logged as a warning, by sentence. */
  warnings: Record<string, number>
  chaos?: ChaosCounts
  /** Of the own server alone. */
  server?: Use
  simulator: { rssMb: number; cpuSeconds: number }
}

/** What a run has come to so far. */
export type Progress = {
  startedAt: Date
  enrolSeconds: number
  figures: Figures
  /** The operations as the server has them in the end. */
  recorded: Recorded[]
  problems: string[]
}

export function reportOf(run: Run, progress: Progress): Report {
  const { options, measures, ledger, chaos, sampler } = run
  const { startedAt, enrolSeconds, figures, recorded } = progress
  const problems = [...progress.problems]
  if (measures.serverErrors() > 0)
    problems.push(`${measures.serverErrors()} requests were answered with 5xx.`)
  return {
    passed: problems.length === 0,
    problems,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 100) / 10,
    machine: machine(),
    scenario: options.chaos ? `${options.scenario} with chaos` : options.scenario,
    options: { ...options, user: undefined },
    agents: { wanted: options.agents, connected: measures.connected, enrolSeconds },
    figures,
    operations: { counts: ledger.counts(), outcomes: outcomes(recorded) },
    latency: ledger.latencies(),
    requests: { statuses: measures.statuses(), calls: measures.calls() },
    warnings: measures.warnings(),
    ...(chaos && { chaos: chaos.counts }),
    server: sampler?.last(),
    simulator: simulatorUse(),
  }
}

function machine(): Report['machine'] {
  const [first] = cpus()
  return {
    cpus: cpus().length,
    model: first?.model.trim() ?? '',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    linux: release(),
    node: process.versions.node,
  }
}

function simulatorUse(): Report['simulator'] {
  const { user, system } = process.cpuUsage()
  return { rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20), cpuSeconds: (user + system) / 1e6 }
}
