import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { standInKey } from './script-key.ts'
import { firstToken } from './stand-in-server.ts'

const HOUSE = resolve(import.meta.dirname, '../..')
const WAIT_MS = 15_000

/** Short waits, so that a test shows in tenths of a second what takes the agent minutes. */
export const FAST = {
  heartbeatMs: 200,
  listMs: 300,
  renewMs: 150,
  graceMs: 1_000,
  applyGraceMs: 1_000,
  stopWaitMs: 200,
  pollMs: 50,
  requestMs: 5_000,
  backoffBaseMs: 20,
  backoffMaxMs: 200,
}

/** `agent/main.ts` as its own process, as an operator starts it. */
export class AgentProcess {
  readonly child: ChildProcess
  output = ''
  #ended: Promise<number | null>

  constructor(args: string[], timings: Partial<typeof FAST> & Record<string, number> = {}) {
    const all = [...args, '--timings', JSON.stringify({ ...FAST, ...timings })]
    this.child = spawn(process.execPath, ['--import', './check-node.mjs', 'agent/main.ts', ...all], {
      cwd: HOUSE,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#ended = new Promise((done) => this.child.once('close', (code) => done(code)))
    const keep = (chunk: Buffer) => {
      this.output += chunk.toString()
      this.child.emit('said')
    }
    this.child.stdout?.on('data', keep)
    this.child.stderr?.on('data', keep)
  }

  /** Waits for the exit code; null after a signal. */
  async exit() {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), WAIT_MS)
    const code = await this.#ended
    clearTimeout(timer)
    return code
  }

  /** Waits until the output matches. */
  async says(pattern: RegExp) {
    const signal = AbortSignal.timeout(WAIT_MS)
    while (!pattern.test(this.output)) {
      if (signal.aborted || this.child.exitCode !== null)
        throw new Error(`The agent never said ${pattern}:\n${this.output}`)
      await new Promise<void>((done) => {
        const look = () => {
          clearTimeout(timer)
          this.child.off('said', look)
          done()
        }
        const timer = setTimeout(look, 200)
        this.child.once('said', look)
      })
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM') {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal)
    return this.exit()
  }

  /** A line of /proc/<pid>/status in MB, such as VmRSS or VmHWM. */
  memoryMb(key: string) {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
    return Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
  }

  async [Symbol.asyncDispose]() {
    await this.stop('SIGKILL')
  }
}

/** A state folder that goes away with the test; with `server` as register would leave it, with these keys pinned. */
export const stateFolder = (server?: string, signing_keys: unknown[] = [standInKey.wire]) => {
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-agent-'))
  if (server) {
    const enrolment = {
      ...{ server, agent_id: 'agent0000000001', machine_id: '', dmi_uuid: '', enrolled_at: '' },
      signing_keys,
    }
    writeFileSync(join(folder, 'agent.json'), JSON.stringify(enrolment))
    writeFileSync(join(folder, 'token'), JSON.stringify({ refresh_token: firstToken }))
  }
  return {
    folder,
    read: (file: string) => readFileSync(join(folder, file), 'utf8'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
