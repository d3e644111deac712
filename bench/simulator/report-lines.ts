import type { Report } from './report.ts'

/** The report for people. */
export function reportLines(report: Report): string[] {
  const { agents, figures, operations, latency, requests, server, simulator, chaos } = report
  const lines = [
    '',
    `${report.scenario}, ${agents.wanted} agents (enrolled and connected in ${agents.enrolSeconds} s), ${report.machine.cpus} x ${report.machine.model}`,
    ...Object.entries(figures).map(([name, seconds]) => `  ${name.padEnd(22)} ${seconds} s`),
    '',
    `  ${'since the order, ms'.padEnd(22)} ${['count', 'p50', 'p90', 'p99', 'max'].map(cell).join('')}`,
    ...Object.entries(latency).map(([step, times]) => row(step, times)),
    '',
    `  ${'requests, ms'.padEnd(22)} ${['count', 'p50', 'p90', 'p99', 'max'].map(cell).join('')}`,
    ...Object.entries(requests.calls).map(([call, times]) => `${row(call, times)}  ${pairs(times.statuses)}`),
    '',
    `  answers by status      ${pairs(requests.statuses)}`,
    `  outcomes               ${pairs(operations.outcomes)}`,
  ]
  if (chaos) lines.push(`  chaos                  ${pairs(chaos)}`)
  if (server)
    lines.push(
      `  server                 ${mb(server.rssMb)} now, ${mb(server.rssPeakMb)} at most; with PostgreSQL ${mb(server.treePeakMb)}; ${server.cpuSeconds.toFixed(1)} s of processor time`,
    )
  lines.push(`  simulator              ${mb(simulator.rssMb)}; ${simulator.cpuSeconds.toFixed(1)} s`)
  for (const [warning, times] of Object.entries(report.warnings).slice(0, 8))
    lines.push(`  ${String(times).padStart(6)} x ${warning}`)
  return [...lines, '', ...report.problems.map((problem) => `FAILED: ${problem}`), verdict(report)]
}

const verdict = ({ passed, operations }: Report) =>
  passed
    ? `Passed: each of ${operations.counts.created} operations has exactly one outcome, and nothing was answered with 5xx.`
    : 'Not passed.'

const cell = (text: string | number) => String(text).padStart(9)
const row = (name: string, times: { count: number; p50: number; p90: number; p99: number; max: number }) =>
  `  ${name.padEnd(22)} ${[times.count, times.p50, times.p90, times.p99, times.max].map(cell).join('')}`
const pairs = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ') || 'none'
const mb = (value: number) => `${Math.round(value)} MB`
