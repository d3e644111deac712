import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, type TestContext } from 'vitest'
import type { Report } from '../../../bench/simulator/report.ts'
import { startProgram } from '../../support/server-process.ts'

const LONG_MS = 60_000

function simulator({ onTestFinished }: TestContext, args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-simtest-'))
  const json = join(folder, 'report.json')
  const env = { TMPDIR: folder }
  const program = startProgram('bench/simulator/main.ts', [...args, '--json', json], { env })
  // Not killed: it ends its server.
  onTestFinished(() => program.end().then(() => rmSync(folder, { recursive: true, force: true })))
  return { folder, program, report: () => JSON.parse(readFileSync(json, 'utf8')) as Report }
}

describe.concurrent('a fleet', () => {
  it(
    'in chaos: each operation has exactly one outcome, and the report says all',
    async (context) => {
      const run = simulator(context, ['--agents', '60', '--chaos', '--run-seconds', '0.05..0.3'])
      const { program } = run
      expect(await program.exited, program.output).toBe(0)
      const report = run.report()
      expect(report).toMatchObject({
        passed: true,
        problems: [],
        scenario: 'patch with chaos',
        options: { agents: 60, chaos: true, mode: 'apply' },
        agents: { wanted: 60 },
        operations: { counts: { created: 60, done: 60 } },
        latency: { claimed: { count: 60 }, done: { count: 60 } },
      })
      const ended = Object.values(report.operations.outcomes).reduce((sum, count) => sum + count, 0)
      expect(ended).toBe(60)
      expect(report.chaos?.repeated).toBeGreaterThan(0)
      expect(report.requests.calls.claim?.statuses['200']).toBeGreaterThanOrEqual(60)
      expect(report.server?.rssMb).toBeGreaterThan(50)
      expect(report.figures.done).toBeGreaterThan(0)
      expect(JSON.stringify(report)).not.toMatch(/password|"token/)
      expect(readdirSync(run.folder)).toEqual(['report.json'])
    },
    LONG_MS,
  )

  it(
    'whose server is killed comes back, and nothing is lost',
    async (context) => {
      const run = simulator(context, [
        '--agents',
        '50',
        '--scenario',
        'reconnect',
        '--run-seconds',
        '0.5..1.5',
      ])
      const { program } = run
      expect(await program.exited, program.output).toBe(0)
      const { figures, operations, agents, requests } = run.report()
      expect(figures.serverAway).toBeGreaterThan(0)
      expect(figures.allBack).toBeGreaterThan(0)
      expect(agents.connected).toBe(50)
      expect(operations.counts).toMatchObject({ created: 20, done: 20 })
      expect(Object.keys(requests.statuses).filter((status) => Number(status) >= 500)).toEqual([])
    },
    LONG_MS,
  )

  it(
    'that is interrupted leaves nothing behind',
    async (context) => {
      const run = simulator(context, ['--agents', '30', '--scenario', 'idle', '--seconds', '60'])
      const { program } = run
      await program.says(/\| connected 30\/30/)
      program.child.kill('SIGINT')
      program.child.kill('SIGINT')
      expect(await program.exited, program.output).toBe(130)
      expect(run.report()).toMatchObject({ passed: false, agents: { connected: 30 } })
      expect(readdirSync(run.folder)).toEqual(['report.json'])
    },
    LONG_MS,
  )
})
