import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { appendFileSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentProcess, stateFolder } from './agent-process.ts'

const WAIT_MS = 20_000
/** What runs when a machine goes down has this long to end by itself. */
const TERM_MS = 300

/**
 * What a command to restart does. `restart`: the machine goes down and comes back; `ignore`: nothing, and says that
 * all is well; `fail`: it says no; `hang`: it never ends, and nothing happens.
 */
type Obedience = 'restart' | 'ignore' | 'fail' | 'hang'

/**
 * The first process of a machine of its own: a root folder with a boot id, the commands that restart it, and an agent
 * that it starts. When one of these commands is given, it really kills the agent, gives the machine another boot id,
 * and starts the agent again. Real commands are never reached: the agent takes those of its root.
 */
export class FakeInit {
  readonly state: ReturnType<typeof stateFolder>
  readonly root: string
  /** All that any agent of this machine has said. */
  readonly agents: AgentProcess[] = []
  boots = 0
  /** Waits this long before the agent is started again. */
  downMs = 20
  #arguments: string[]
  #timings: Record<string, number>
  #orders: Socket
  #changed = new EventEmitter()
  #restarting: Promise<void> | undefined

  /** `server` enrols it by its state folder; without one `register` is the caller's to do. `root` may be there. */
  constructor(server: string | undefined, timings: Record<string, number> = {}, root?: string) {
    this.state = stateFolder(server)
    this.root = root ?? join(this.state.folder, 'root')
    this.#timings = timings
    this.#arguments = ['--state-dir', this.state.folder, '--root', this.root]
    for (const folder of ['proc/sys/kernel/random', 'run/systemd/system', 'usr/bin', 'etc'])
      mkdirSync(join(this.root, folder), { recursive: true })
    if (!root) writeFileSync(join(this.root, 'etc/os-release'), readFileSync('/etc/os-release'))
    const fifo = join(this.root, 'init')
    spawnSync('mkfifo', [fifo])
    // Open for writing as well: it must not end with the first command that has written.
    this.#orders = new Socket({
      fd: openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK),
      writable: false,
    })
    this.#orders.on('data', (said: Buffer) => {
      this.#changed.emit('ordered')
      if (said.includes('down')) void this.restart()
    })
    this.#boot()
    this.obey('restart')
    this.install('systemctl')
  }

  get agent(): AgentProcess {
    const agent = this.agents.at(-1)
    if (!agent) throw new Error('This machine has not started its agent yet.')
    return agent
  }

  get output(): string {
    return this.agents.map(({ output }) => output).join('')
  }

  get bootId(): string {
    return readFileSync(join(this.root, 'proc/sys/kernel/random/boot_id'), 'utf8').trim()
  }

  /** Command lines by which this machine was restarted, or should have been. */
  get orders(): string[] {
    return readFileSync(join(this.root, 'orders'), 'utf8').split('\n').slice(0, -1)
  }

  /** For the agent's command line. */
  get arguments(): string[] {
    return this.#arguments
  }

  obey(how: Obedience) {
    writeFileSync(join(this.root, 'obedience'), how)
  }

  /** Puts a command that restarts the machine into its place; `script` is what it does besides. */
  install(name: string, script = '') {
    const text = `#!/bin/sh
root=${this.root}
echo "\${0##*/} $*" >>"$root/orders"
echo ordered >"$root/init"
${script}
case $(cat "$root/obedience") in
  fail) echo 'Access denied' >&2; exit 1 ;;
  ignore) exit 0 ;;
  hang) while [ -e "$root/obedience" ]; do sleep 0.05; done; exit 1 ;;
esac
echo down >"$root/init"
`
    writeFileSync(join(this.root, 'usr/bin', name), text, { mode: 0o755 })
  }

  uninstall(name: string) {
    rmSync(join(this.root, 'usr/bin', name))
  }

  /** With more arguments for this and every later start of the agent. */
  start(more: string[] = []): AgentProcess {
    this.#arguments.push(...more)
    const agent = new AgentProcess(['run', ...this.#arguments], this.#timings)
    this.agents.push(agent)
    return agent
  }

  /** Waits until the first command to restart it was given. */
  async ordered() {
    const signal = AbortSignal.timeout(WAIT_MS)
    while (this.orders.length === 0) await once(this.#changed, 'ordered', { signal })
  }

  /** Waits for a restart that is under way. */
  async settled() {
    await this.#restarting
  }

  /** Takes the machine down, and starts its agent once it is up again. */
  restart(): Promise<void> {
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined
    })
    return this.#restarting
  }

  async #restart() {
    const { agent } = this
    const late = setTimeout(() => agent.child.kill('SIGKILL'), TERM_MS)
    await agent.stop()
    clearTimeout(late)
    this.#boot()
    await sleep(this.downMs)
    this.boots++
    this.start()
    this.#changed.emit('booted')
  }

  /** Waits until it has been restarted `times` times in all. */
  async booted(times: number) {
    const signal = AbortSignal.timeout(WAIT_MS)
    while (this.boots < times) await once(this.#changed, 'booted', { signal })
  }

  #boot() {
    writeFileSync(join(this.root, 'proc/sys/kernel/random/boot_id'), `${randomUUID()}\n`)
    appendFileSync(join(this.root, 'orders'), '')
  }

  async [Symbol.asyncDispose]() {
    await this.#restarting
    this.#orders.destroy()
    for (const agent of this.agents) await agent[Symbol.asyncDispose]()
    this.state[Symbol.dispose]()
  }
}
