/** Starting and stopping a container, as pct does it. */
import { guestOf } from './arguments.ts'
import { Died } from './died.ts'
import { emptyRun, killAll } from './inside.ts'
import type { Command } from './pct.ts'
import { changeState, type Guest, pause, type State } from './state.ts'

export function checkLock({ config }: Guest): void {
  if (config.lock) throw new Died(`CT is locked (${config.lock})`)
}

export function halt(guest: Guest): undefined {
  if (guest.box) killAll(guest.box)
  guest.status = 'stopped'
}

/** Returns why it did not start. */
export function boot(guest: Guest): Died | undefined {
  const { vmid } = guest
  if (guest.failStarts > 0) {
    guest.failStarts--
    const hook = `lxc_init: 845 Failed to run lxc.hook.pre-start for container "${vmid}"`
    const container = `__lxc_start: 2034 Failed to initialize container "${vmid}"`
    return new Died(
      `run_buffer: 571 Script exited with status 1\n${hook}\n${container}\nstartup for container '${vmid}' failed`,
    )
  }
  if (guest.box) emptyRun(guest.box)
  guest.status = 'running'
  guest.startedAt = Date.now()
  return undefined
}

type Place = { folder: string; node: string; vmid: number }

/** Changes the container, and only then fails with what `change` gives back. */
export function changeContainer(
  { folder, node, vmid }: Place,
  change: (guest: Guest, state: State) => Died | undefined,
): void {
  const failed = changeState(folder, (state) => change(guestOf(state, node, 'lxc', vmid), state))
  if (failed) throw failed
}

export const start: Command = (call) => {
  changeContainer(call, (guest, state) => {
    if (guest.status === 'running') throw new Died(`CT ${guest.vmid} already running`)
    if (!state.quorate) throw new Died('cluster not ready - no quorum?')
    if (guest.config.template === '1') throw new Died("you can't start a CT if it's a template")
    if (guest.config.lock !== 'mounted') checkLock(guest)
    return boot(guest)
  })
  return 0
}

const mustRun = ({ status, vmid }: Guest): void => {
  if (status !== 'running') throw new Died(`CT ${vmid} not running`)
}

export const stop: Command = (call) => {
  changeContainer(call, (guest) => {
    mustRun(guest)
    if (guest.config.lock !== 'mounted') checkLock(guest)
    return halt(guest)
  })
  return 0
}

/** Waits as long as it was told, then says so. */
function wait(vmid: number, timeout: string | undefined): never {
  const seconds = Number(timeout ?? 60)
  pause(seconds * 1000)
  throw new Died(`command 'lxc-stop -n ${vmid} --nokill --timeout ${seconds}' failed: exit code 1`)
}

export const shutdown: Command = (call) => {
  const { guest, vmid, options } = call
  mustRun(guest)
  checkLock(guest)
  if (guest.ignoresShutdown && options.forceStop !== '1') wait(vmid, options.timeout)
  changeContainer(call, halt)
  return 0
}

export const reboot: Command = (call) => {
  const { guest, vmid, options } = call
  if (guest.status !== 'running') throw new Died(`VM ${vmid} not running`)
  if (guest.ignoresShutdown) wait(vmid, options.timeout)
  changeContainer(call, (current) => {
    checkLock(current)
    halt(current)
    return boot(current)
  })
  return 0
}
