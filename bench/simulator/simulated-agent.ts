import { randomBytes, randomUUID } from 'node:crypto'
import { sleep } from '../../agent/backoff.ts'
import { createBell } from '../../agent/bell.ts'
import type { Context } from '../../agent/context.ts'
import { deliver } from '../../agent/delivery.ts'
import { reasonOf } from '../../agent/errors.ts'
import { heartbeat } from '../../agent/heartbeat.ts'
import type { StoredKey } from '../../agent/keys.ts'
import type { Log } from '../../agent/log.ts'
import { openOperations } from '../../agent/operations.ts'
import { recoverJobs } from '../../agent/recover.ts'
import { enrol, serverKeys } from '../../agent/register.ts'
import { openSession, type Session } from '../../agent/session.ts'
import type { Timings } from '../../agent/timings.ts'
import type { Chaos } from './chaos.ts'
import { type HttpClient, openHttpClient } from './http-client.ts'
import { type InventedHost, inventHost } from './invented-host.ts'
import { type LeanTransport, leanTransport } from './lean-transport.ts'
import type { Ledger } from './ledger.ts'
import type { Measures } from './measures.ts'
import { memoryJournal } from './memory-journal.ts'
import type { Outputs } from './outputs.ts'
import { pinnedGuard } from './pinned-guard.ts'
import { pretendedScripts } from './pretended-scripts.ts'
import { watchedTransport } from './watched-transport.ts'

/** What all agents of a fleet have in common. */
export type World = {
  origin: string
  /** Names the hosts. */
  fleet: string
  timings: Timings
  measures: Measures
  ledger: Ledger
  outputs: Outputs
  /** How long the script of an operation takes. */
  runMs: () => number
  chaos?: Chaos
}

/** One agent: the real one's code from enrolment to report, over a machine that is made up. */
export class SimulatedAgent {
  id = ''
  transport: LeanTransport | undefined
  /** How often its stream was opened and subscribed. */
  subscriptions = 0
  #world: World
  #host: InventedHost
  #client: HttpClient
  #refreshToken = ''
  /** What its registration brought, as agent.json would keep it. */
  #keys: StoredKey[] = []
  #stop = new AbortController()
  #over: Promise<unknown> = Promise.resolve()

  constructor(world: World, at: number) {
    this.#world = world
    this.#host = inventHost(world.fleet, at)
    this.#client = openHttpClient(world.origin, world.timings.requestMs, world.measures)
  }

  async enrol(token: string): Promise<void> {
    const { timings, measures } = this.#world
    const anonymous = this.#transport()
    const enrol_key = randomBytes(32).toString('base64url')
    const body = { action: 'register', ...this.#host.facts, enrolment_token: token, enrol_key }
    const say = (line: string) => measures.warned(line)
    const answer = await enrol(anonymous, body, Date.now() + timings.requestMs, timings, say)
    this.id = answer.agent_id
    this.#refreshToken = answer.refresh_token
    this.#keys = serverKeys(answer.signing_keys ?? [])
  }

  /** Works until it is stopped; the first heartbeat comes after `beatAfterMs`. Resolves once it is subscribed. */
  start(beatAfterMs: number): Promise<void> {
    const { timings, measures, ledger, outputs, runMs, chaos } = this.#world
    const anonymous = this.#transport()
    const session = openSession({
      load: () => this.#refreshToken,
      save: (token) => {
        this.#refreshToken = token
      },
      post: (path, body) => anonymous.request('POST', path, body),
      onRevoked: (error) => this.#stop.abort(error),
    })
    const lean = this.#transport(session)
    this.transport = lean
    const troubled = chaos ? chaos.around(lean) : lean
    const journal = memoryJournal(outputs)
    const plan = (operation: string) => ({ ms: runMs(), exitCode: outputs.exitCodeOf(operation) })
    const scripts = pretendedScripts(journal, plan, (operation) => ledger.started(operation))
    const guard = pinnedGuard(this.#keys, this.#host)
    const { signal: stop } = this.#stop

    const count = () => {
      this.subscriptions++
    }

    return new Promise((subscribed) => {
      const told = watchedTransport(troubled, ledger)
      const transport: typeof told = {
        ...told,
        subscribe(topics, subscriber) {
          const opened = () => {
            count()
            subscribed()
            subscriber.opened()
          }
          return told.subscribe(topics, { ...subscriber, opened })
        },
      }
      const context: Context = { transport, journal, scripts, guard, timings, log: silentLog(measures), stop }
      const bell = createBell()
      void sleep(beatAfterMs, stop).then(() => heartbeat(context, this.#host, () => undefined))
      this.#over = recoverJobs(context)
        .then((unreported) => deliver(context, bell, [openOperations(context, bell, unreported)]))
        .catch((error: unknown) => {
          measures.warned(`An agent has failed: ${reasonOf(error)}`)
        })
        .then(() => lean.close())
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.transport?.close()
    await this.#over
    this.#client.close()
  }

  #transport(session?: Session): LeanTransport {
    const { origin, timings, measures } = this.#world
    const instance = session && randomUUID()
    return leanTransport({ origin, timings, measures, client: this.#client, session, instance })
  }
}

/** Counts warnings by their sentence; what the agents say is too much to be read. */
const silentLog = (measures: Measures): Log => ({
  info: () => undefined,
  warn: (message, fields) => measures.warned(`${message} ${reasonIn(fields?.reason)}`.trim()),
})

/** Without what differs from agent to agent, so that equal reasons are counted together. */
const reasonIn = (reason: unknown): string =>
  reason === undefined
    ? ''
    : String(reason)
        .replace(/\b[a-z0-9]{15}\b/g, 'ID')
        .replace(/\d+/g, 'N')
