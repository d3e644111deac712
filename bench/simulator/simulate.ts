import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reasonOf } from '../../agent/errors.ts'
import { Timings } from '../../agent/timings.ts'
import { Chaos } from './chaos.ts'
import { forEachOf, openFleet } from './fleet.ts'
import { Ledger } from './ledger.ts'
import { openLive } from './live.ts'
import { Measures } from './measures.ts'
import { type Options, runRange } from './options.ts'
import { writeOutputs } from './outputs.ts'
import { machine, type Report, serverErrorProblems, simulatorUse } from './report.ts'
import { allConnected, type Figures, type Run } from './run.ts'
import { openSampler } from './sampler.ts'
import { scenarios } from './scenarios/index.ts'
import { reachServer } from './server.ts'
import { openStalledReaders } from './stalled-readers.ts'
import { outcomes, verify } from './verify.ts'

/** An enrolment token is one row that each registration with it locks. */
const AGENTS_PER_TOKEN = 200
const REMOVALS_AT_ONCE = 16
const STALLED_READERS = 3

/** The whole run, from the server to the report. What it made goes away with it. */
export async function simulate(options: Options, stopping: AbortController): Promise<Report> {
  const startedAt = new Date()
  const { signal: stop } = stopping
  const [least, most] = runRange(options['run-seconds'])
  const [measures, ledger] = [new Measures(), new Ledger()]
  const problems: string[] = []
  let [figures, enrolSeconds, connected]: [Figures, number, number] = [{}, 0, 0]
  let recorded: Awaited<ReturnType<Run['owner']['operations']>> = []

  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-sim-outputs-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const outputs = writeOutputs(folder)
  const { url, owner, server } = await reachServer(options, stopping, parts)
  const sampler = server && openSampler(() => server.pid)
  const live = openLive({ agents: options.agents, ledger, measures, server: sampler, out: process.stderr })
  parts.defer(live.stop)

  const since = await owner.serverTime()
  const fleetName = `sim-${randomBytes(3).toString('hex')}`
  const chaos = options.chaos ? new Chaos(options.seed) : undefined
  const timings = Timings.parse({
    heartbeatMs: options['heartbeat-seconds'] * 1000,
    ...{ stopWaitMs: 0, graceMs: 0, applyGraceMs: 0 },
  })
  const runMs = () => least + Math.random() * (most - least)
  const fleet = openFleet(
    { origin: url, fleet: fleetName, timings, measures, ledger, outputs, runMs, chaos },
    options.agents,
  )
  const batch = options.batch > 1 && (await owner.hasBatch()) ? options.batch : 1
  const { phase } = live
  const run: Run = { options, owner, fleet, ledger, measures, outputs, server, chaos, batch, stop, phase }
  const tokens: string[] = []
  if (options.server && !options.keep)
    parts.defer(async () => {
      phase('removing the agents')
      const enrolled = fleet.agents.flatMap(({ id }) => id || [])
      await forEachOf(enrolled, REMOVALS_AT_ONCE, (id) => owner.remove('agents', id))
      for (const id of tokens) await owner.remove('enrolment_tokens', id)
    })
  parts.defer(() => fleet.stop())
  parts.defer(() => chaos?.stop())

  const work = async () => {
    phase('enrolling')
    const began = performance.now()
    const secrets: string[] = []
    for (let at = 0; at < options.agents; at += AGENTS_PER_TOKEN) {
      const { id, token } = await owner.enrolmentToken(fleetName, AGENTS_PER_TOKEN)
      tokens.push(id)
      secrets.push(token)
    }
    await fleet.enrol((at) => secrets[Math.floor(at / AGENTS_PER_TOKEN)] ?? '', stop)
    await allConnected(run)
    enrolSeconds = Math.round(performance.now() - began) / 1000
    if (chaos) parts.use(await openStalledReaders(url, owner.token, STALLED_READERS))
    chaos?.start(fleet.transports)
    figures = await scenarios[options.scenario](run)
    chaos?.stop()
    phase('checking')
    recorded = await owner.operations(since)
    problems.push(...verify(recorded, ledger, outputs))
  }
  const interrupted = new Promise<never>((_, reject) => {
    stop.addEventListener('abort', () => reject(stop.reason), { once: true })
    if (stop.aborted) reject(stop.reason)
  })
  try {
    await Promise.race([work(), interrupted])
  } catch (error) {
    problems.push(reasonOf(stop.aborted ? stop.reason : error))
  }
  connected = measures.connected
  live.stop()
  sampler?.sample()
  problems.push(...serverErrorProblems(measures))
  return {
    passed: problems.length === 0,
    problems,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 100) / 10,
    machine: machine(),
    scenario: options.chaos ? `${options.scenario} with chaos` : options.scenario,
    options: { ...options, user: undefined },
    agents: { wanted: options.agents, connected, enrolSeconds },
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
