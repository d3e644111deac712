import { cpus, release, totalmem } from 'node:os'
import { type Result, ROUNDS } from './compare.ts'
import type { Contestant } from './contestant.ts'
import { CLIENTS } from './load.ts'
import { MATCHING } from './world.ts'

/** Databases gather their statistics some time after a table was filled. */
export const SETTLE_SECONDS = 20

/** Machine, versions, what is compared and what is not. */
export function heading(ours: Contestant, theirs: Contestant, at: Date): string {
  const [first] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${ours.name} ${ours.version} beside ${theirs.name} ${theirs.version}, ${at.toISOString()}
${cpus().length} x ${first?.model.trim()}, ${memory} GB, Linux ${release()}, Node.js ${process.versions.node}

The clients share the machine with the server they load: ${CLIENTS} keep-alive connections from one process, all of one
user. ${ROUNDS} rounds in turn, ours and theirs, after one that warms up; medians. A ratio above 1 is in our favour.
Events among subscribers and memory warm themselves up, and are measured without that first round; an event's own cost
is what its create costs more than one that is made while no stream is open.
Compared: package_exceptions with like fields, rules and indexes; a create checks that the agent is the caller's.
${(2 * MATCHING).toLocaleString('en')} records to begin with, then ${SETTLE_SECONDS} s in which either may gather its statistics.
${ours.name} runs with its embedded PostgreSQL and full durability (fsync, synchronous commit), and each of its creates
also writes the change log and the audit log. ${theirs.name} runs with its defaults (SQLite in WAL mode, which
flushes at checkpoints, not at each commit) and keeps no such logs.
Not measured: the network, TLS, more than one server process, large files, start-up, days of use.
`
}

export function table(title: string, results: readonly Result[]): string {
  const lines = results.map(({ label, ours, theirs, ratio, ratios, goal, most }) => {
    const spread = `${short(Math.min(...ratios))}-${short(Math.max(...ratios))}`
    const verdicts = [
      goal === undefined ? '' : `  goal ${goal}: ${ratio >= goal ? 'reached' : 'MISSED'}`,
      most === undefined ? '' : `  goal <= ${most}: ${ours <= most ? 'reached' : 'MISSED'}`,
    ]
    const cells = [label.padEnd(38), figure(ours), figure(theirs), short(ratio).padStart(8)]
    return `  ${cells.join('')}  (${spread})${verdicts.join('')}`
  })
  return `\n${title}\n  ${''.padEnd(38)} Patchbase PocketBase   ratio\n${lines.join('\n')}\n`
}

const short = (value: number) => value.toFixed(value < 100 ? 2 : 0)
const figure = (value: number) => short(value).padStart(10)
