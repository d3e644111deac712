import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Timings } from '../../agent/timings.ts'
import { Chaos } from './chaos.ts'
import { forEachOf, openFleet } from './fleet.ts'
import { Ledger } from './ledger.ts'
import { openLive } from './live.ts'
import { Measures } from './measures.ts'
import { type Options, runRange } from './options.ts'
import { writeOutputs } from './outputs.ts'
import type { Run } from './run.ts'
import { openSampler } from './sampler.ts'
import { reachServer } from './server.ts'

const REMOVALS_AT_ONCE = 16

/** The server and a fleet that is not enrolled yet. All of it goes away with `parts`, the agents first. */
export async function openRun(
  options: Options,
  stopping: AbortController,
  parts: AsyncDisposableStack,
): Promise<Run> {
  const [least, most] = runRange(options['run-seconds'])
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-sim-outputs-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const { url, owner, server } = await reachServer(options, stopping, parts)
  const world = {
    origin: url,
    fleet: `sim-${randomBytes(3).toString('hex')}`,
    // What an agent gives its script before it stops is nothing to a timer.
    timings: Timings.parse({
      heartbeatMs: options['heartbeat-seconds'] * 1000,
      ...{ stopWaitMs: 0, graceMs: 0, applyGraceMs: 0 },
    }),
    measures: new Measures(),
    ledger: new Ledger(),
    outputs: writeOutputs(folder),
    runMs: () => least + Math.random() * (most - least),
    chaos: options.chaos ? new Chaos(options.seed) : undefined,
  }
  const fleet = openFleet(world, options.agents)
  const sampler = server && openSampler(() => server.pid)
  const live = openLive({ ...world, agents: options.agents, server: sampler, out: process.stderr })
  parts.defer(live.stop)
  const run: Run = {
    ...world,
    ...{ options, owner, fleet, server, sampler, live, fleetName: world.fleet },
    batch: options.batch > 1 && (await owner.hasBatch()) ? options.batch : 1,
    since: await owner.serverTime(),
    enrolmentTokens: [],
    stop: stopping.signal,
  }
  if (options.server && !options.keep) parts.defer(() => removeFleet(run))
  parts.defer(() => fleet.stop())
  parts.defer(() => world.chaos?.stop())
  return run
}

async function removeFleet({ fleet, owner, enrolmentTokens }: Run): Promise<void> {
  const enrolled = fleet.agents.flatMap(({ id }) => id || [])
  await forEachOf(enrolled, REMOVALS_AT_ONCE, (id) => owner.remove('agents', id))
  await forEachOf(enrolmentTokens, REMOVALS_AT_ONCE, ({ id }) => owner.remove('enrolment_tokens', id))
}
