/**
 * The fleet simulator: many agents in one process, each the real agent's code over a machine that is made up. It may
 * import the agent's code and nothing of the server's. Read next: simulate.ts (a whole run), simulated-agent.ts (one
 * agent), scenarios/ (what happens to them), verify.ts (what must be true in the end).
 */
import { writeFileSync } from 'node:fs'
import { SimulatorError } from './errors.ts'
import { Interrupted, interruption } from './interruption.ts'
import { requireOpenFiles } from './open-files.ts'
import { readOptions, USAGE } from './options.ts'
import type { Report } from './report.ts'
import { reportLines } from './report-lines.ts'
import { simulate } from './simulate.ts'

async function main(stopping: AbortController): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(USAGE)
    return 0
  }
  requireOpenFiles(options.agents)
  const late = new SimulatorError(`The run was not over after ${options['limit-seconds']} s.`)
  setTimeout(() => stopping.abort(late), options['limit-seconds'] * 1000).unref()
  const report = await simulate(options, stopping)
  write(report, options.json)
  if (stopping.signal.reason instanceof Interrupted) return stopping.signal.reason.exitCode
  return report.passed ? 0 : 1
}

function write(report: Report, json: string | undefined): void {
  process.stderr.write(`${reportLines(report).join('\n')}\n`)
  if (json === '-') process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  else if (json) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`)
}

const stopping = interruption()
try {
  process.exit(await main(stopping))
} catch (thrown) {
  // Whatever failed on the way failed because of the interruption, if there was one.
  const error: unknown = stopping.signal.aborted ? stopping.signal.reason : thrown
  console.error(error instanceof SimulatorError || error instanceof Interrupted ? error.message : error)
  process.exit(error instanceof Interrupted ? error.exitCode : 1)
}
