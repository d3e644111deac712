import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { resolve } from 'node:path'

export const HOUSE = resolve(import.meta.dirname, '../..')
const WAIT_MS = 30_000

export type Answer<T = Record<string, unknown>> = { status: number; body: T; headers: Headers }

export type ProgramOptions = SpawnOptions & {
  /** For its standard input, which ends after it. */
  input?: string
  /** The Node that runs it. */
  node?: string
}

/** Starts a program of this house as its own process, as an operator does. */
export function startProgram(file: string, args: string[], options: ProgramOptions = {}): Program {
  const { input, node = process.execPath, env = {}, ...rest } = options
  const child = spawn(node, ['--import', './check-node.mjs', file, ...args], {
    cwd: HOUSE,
    ...rest,
    // What the machine of the tests is set to must not steer the program.
    env: { ...withoutSettings(process.env), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin?.end(input ?? '')
  return new Program(child)
}

/** A process with everything it says. */
export class Program {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  /** Resolves with the exit code, or the name of the signal. */
  readonly exited: Promise<number | string | null>

  constructor(child: ChildProcess) {
    this.child = child
    this.exited = new Promise((ended) => child.once('close', (code, signal) => ended(code ?? signal)))
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      child.emit('said')
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      child.emit('said')
    })
  }

  get output(): string {
    return this.stdout + this.stderr
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Resolves with the match once stdout or stderr has it; rejects when the program ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) =>
        reject(new Error(`${why} before it said ${pattern}: ${this.output.slice(-4000)}`))
      const timer = setTimeout(() => fail('Nothing more came'), WAIT_MS)
      const look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
        if (match) done(() => resolve(match))
      }
      const ended = () => done(() => fail('It ended'))
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.child.off('said', look).off('close', ended)
        settle()
      }
      this.child.on('said', look).once('close', ended)
      look()
      if (!this.running) void this.exited.then(ended)
    })
  }

  /** Signals it and waits for its end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    if (this.running) this.child.kill(signal)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), WAIT_MS)
    const code = await this.exited
    clearTimeout(timer)
    return code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
  }
}

const withoutSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(PATCHBASE_|DATABASE_URL$|REDIS_URL$|NODE_OPTIONS$)/.test(name),
    ),
  )

/** `api/main.ts`, on a free port unless `args` name one. */
export const startServer = async (args: string[], options: ProgramOptions = {}): Promise<ServerProcess> =>
  new ServerProcess(startProgram('api/main.ts', ['--port', '0', ...args], options)).ready()

export class ServerProcess {
  readonly program: Program
  #url = ''

  constructor(program: Program) {
    this.program = program
  }

  get url(): string {
    return this.#url
  }

  get port(): string {
    return new URL(this.#url).port
  }

  /** Waits until it listens. */
  async ready(): Promise<this> {
    this.#url = (await this.program.says(/listens on (\S+) \(process \d+\)\.\n/))[1] ?? ''
    return this
  }

  /** A JSON request. */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    { token, body }: { token?: string; body?: unknown } = {},
  ): Promise<Answer<T>> {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token && { authorization: token }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return {
      status: response.status,
      body: (isJson ? JSON.parse(text) : text) as T,
      headers: response.headers,
    }
  }

  /** Signs in; throws when that fails. */
  async login(
    collection: string,
    identity: string,
    password: string,
  ): Promise<{ id: string; token: string }> {
    const path = `/api/collections/${collection}/auth-with-password`
    const { status, body } = await this.call<{ token: string; record: { id: string } }>('POST', path, {
      body: { identity, password },
    })
    if (status !== 200)
      throw new Error(`Signing in as ${identity} failed with ${status}: ${JSON.stringify(body)}`)
    return { id: body.record.id, token: body.token }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.end('SIGKILL')
  }
}
