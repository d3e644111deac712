import { sleep } from '../backoff.ts'
import { reasonOf } from '../errors.ts'
import { giveCommand } from './command.ts'
import type { Remembered } from './memory.ts'
import { leftOf, type RebootParts } from './parts.ts'

type GuestReboot = Remembered & { vmid: number }

/** Gives the command that restarts a container, and shows the server that container until it has. */
export const restartGuest = async (parts: RebootParts, reboot: GuestReboot, command: string[]) => {
  const { context, memory, failed } = parts
  const { id, vmid } = reboot
  context.log.info('The container is restarted.', { id, vmid, command: command.join(' ') })
  const failure = new AbortController()
  const given = giveCommand(command, memory.output(id))
  void given.then((reason) => reason !== undefined && failure.abort(reason))
  // Beside the command: one that hangs must not keep the next work waiting for ever.
  await followGuest(parts, reboot, failure.signal)
  if (failure.signal.aborted && !context.stop.aborted) failed(reboot, failure.signal.reason)
  // It holds the container's lock a little longer than the container takes to be back.
  await Promise.race([given, sleep(context.timings.guestMs, context.stop)])
}

const NEVER = new AbortController().signal

/**
 * Reports a container until it runs for a shorter time than its reboot is acknowledged: the proof that it was
 * restarted. An agent that was itself restarted meanwhile goes on here. `failure` ends it early.
 */
export const followGuest = async (parts: RebootParts, reboot: GuestReboot, failure: AbortSignal = NEVER) => {
  const { context, memory, failed } = parts
  const { timings, log } = context
  const { id, vmid, timeoutSeconds, acknowledgedAt } = reboot
  const stop = AbortSignal.any([context.stop, failure])
  const deadline = performance.now() + leftOf(timeoutSeconds * 1000, acknowledgedAt)
  while (!stop.aborted) {
    const restarted = await showGuest(parts, reboot).catch((error: unknown) =>
      log.warn('The container could not be reported.', { id, vmid, reason: reasonOf(error) }),
    )
    if (stop.aborted) return
    if (restarted) {
      memory.save({ ...reboot, state: 'done', closedAt: new Date().toISOString() })
      log.info('The container was restarted.', { id, vmid })
      return
    }
    const leftMs = deadline - performance.now()
    if (leftMs <= 0)
      return failed(reboot, `Container ${vmid} was not seen restarted within ${timeoutSeconds} s.`)
    await sleep(Math.min(timings.guestMs, leftMs), stop)
  }
}

/** Reports the container once. True where that proves its restart to the server as well. */
const showGuest = async ({ context, machine }: RebootParts, { vmid, acknowledgedAt = '' }: GuestReboot) => {
  const elapsedSeconds = (Date.now() - Date.parse(acknowledgedAt)) / 1000
  const guest = await machine.readGuest(vmid)
  if (!guest) return false
  await context.transport.request('POST', '/api/proxmox/lxc', guest)
  return guest.status === 'running' && Number(guest.uptime ?? Number.NaN) < elapsedSeconds
}
