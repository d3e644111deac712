import { sleep } from '../backoff.ts'
import type { Context } from '../context.ts'
import { trustFor } from '../guard.ts'
import { refusedByQuorum } from '../proxmox/quorum.ts'
import { acknowledge } from './acknowledge.ts'
import { restartGuest } from './guest.ts'
import { restartHost } from './host.ts'
import type { Remembered } from './memory.ts'
import type { RebootParts } from './parts.ts'
import { type Reboot, TIMEOUT_SECONDS_DEFAULT, targetOf } from './reboot-record.ts'

type Prepared = { command: string[] } | { refusal: string }

/**
 * One reboot from the list to its command. The command is given only on an answer of the server that this process
 * has just got, and after that is on the disk. Returns the ms to leave it alone for.
 */
export const runReboot = async (parts: RebootParts, listed: Reboot): Promise<number | undefined> => {
  const { context, memory, machine, failed } = parts
  const { timings, log, stop } = context
  const { id } = listed
  const target = targetOf(listed)
  const reboot: Remembered = {
    ...{ id, state: 'acknowledging', bootId: machine.bootId(), createdAt: new Date().toISOString() },
    timeoutSeconds: listed.timeout_seconds ?? TIMEOUT_SECONDS_DEFAULT,
    ...(typeof target === 'object' && 'vmid' in target ? { vmid: target.vmid } : {}),
  }
  const refuse = (why: string, at: Remembered = reboot) => failed(at, why) as undefined
  if (typeof target === 'object' && 'refusal' in target) return refuse(target.refusal)
  const prepared = await prepare(parts, reboot)
  if ('refusal' in prepared) return refuse(prepared.refusal)

  await Promise.race([parts.reported(), sleep(timings.reportWaitMs, stop)])
  if (stop.aborted) return timings.listMs
  memory.save(reboot)
  const answer = await acknowledge(context, reboot)
  if (!('ageMs' in answer)) {
    memory.forget(id)
    if ('retryAfterMs' in answer) return answer.retryAfterMs
    log.info('The reboot is not for this agent now.', { id, reason: answer.lost })
    return timings.listMs
  }
  const now = () => new Date().toISOString()
  const acknowledged = memory.save({ ...reboot, state: 'acknowledged', acknowledgedAt: now() })
  log.info('The reboot is acknowledged.', { id })
  // Asked again: the answer may have taken long.
  const forbidden = refusedByPolicy(context)
  if (forbidden) return refuse(forbidden, acknowledged)
  if (stop.aborted) return timings.listMs
  const executing = memory.save({ ...acknowledged, state: 'executing', executedAt: now() })
  const age = answer.ageMs()
  if (age > timings.startWithinMs)
    return refuse(
      `The acknowledgement was ${Math.round(age)} ms old when the command was about to be given; ${timings.startWithinMs} ms are allowed.`,
      acknowledged,
    )
  const { vmid } = executing
  if (vmid === undefined) await restartHost(parts, executing, prepared.command)
  else await restartGuest(parts, { ...executing, vmid }, prepared.command)
  return undefined
}

const refusedByPolicy = (context: Context): string | undefined => {
  const allowed = trustFor(context.guard, 'reboot')
  return 'refusal' in allowed ? allowed.refusal.message : undefined
}

/** What can be known before the server is told: whether the host allows it, and can do it. */
const prepare = async ({ context, machine }: RebootParts, reboot: Remembered): Promise<Prepared> => {
  const forbidden = refusedByPolicy(context)
  if (forbidden) return { refusal: forbidden }
  const apart = await refusedByQuorum(context, 'apply')
  if (apart) return { refusal: apart.message }
  const { vmid, timeoutSeconds } = reboot
  if (vmid === undefined) {
    const command = machine.hostCommand()
    const refusal = 'This host has no systemctl, shutdown or reboot to restart it with.'
    return command ? { command } : { refusal }
  }
  // Half of the time to go down, half to come back.
  const command = machine.guestCommand(vmid, Math.max(1, Math.floor(timeoutSeconds / 2)))
  if (!command) return { refusal: 'This host has no pct, so it cannot restart containers.' }
  const guest = await machine.readGuest(vmid)
  if (!guest) return { refusal: `This host has no container ${vmid}.` }
  return guest.status === 'running'
    ? { command }
    : { refusal: `Container ${vmid} is not running (${guest.status}); it is left as it is.` }
}
