import type { Remembered } from './memory.ts'
import type { RebootParts } from './parts.ts'
import type { Reboot } from './reboot-record.ts'

/**
 * What becomes of a reboot that nobody works on: an earlier process of this agent has left it. Returns it as it is
 * then; only one that is `executing` is to be gone on with, and never by giving the command again.
 */
export const settle = (parts: RebootParts, reboot: Remembered): Remembered => {
  const { memory, machine, log } = { ...parts, log: parts.context.log }
  const { id, state, vmid } = reboot
  if (state === 'failed') parts.tell(reboot)
  if (state !== 'acknowledged' && state !== 'executing') return reboot
  const restarted = reboot.bootId !== machine.bootId()
  if (vmid === undefined && restarted) {
    log.info('The machine was restarted.', { id })
    return memory.save({ ...reboot, state: 'done', closedAt: new Date().toISOString() })
  }
  if (state === 'executing') return reboot
  // Its host was restarted, and so it was as well, unless it does not start by itself.
  if (restarted) return memory.save({ ...reboot, state: 'executing' })
  parts.failed(reboot, 'The agent was restarted before it could give the command to reboot.')
  return { ...reboot, state: 'failed' }
}

export type Judged = 'begin' | 'go on' | 'leave'

/**
 * What is to be done about a reboot that the server lists, as far as this agent remembers it. `askedAt` is when the
 * list was asked for: what was closed after that may be in it still. `repeat` is true the first time it is called
 * for an id.
 */
export const judge = (
  parts: RebootParts,
  listed: Reboot,
  askedAt: number,
  repeat: (id: string) => boolean,
): Judged => {
  const { memory, machine, failed } = parts
  const { id, status, boot_id_before } = listed
  const bootId = machine.bootId()
  const reboot = memory.read(id)
  if (!reboot) {
    if (status === 'sent') return 'begin'
    if (boot_id_before !== bootId) return 'leave'
    const [timeoutSeconds, createdAt] = [0, new Date().toISOString()]
    failed(
      { id, state: 'failed', bootId, timeoutSeconds, createdAt },
      'The agent has lost its memory of this reboot before the machine was restarted.',
    )
    return 'leave'
  }
  const { state, vmid } = reboot
  if (state === 'acknowledging') {
    if (status === 'sent' || reboot.bootId === bootId) return 'begin'
    // The server had heard, and the machine was restarted before the command was given.
    const acknowledged: Remembered = { ...reboot, state: 'acknowledged', acknowledgedAt: reboot.createdAt }
    return settle(parts, memory.save(acknowledged)).state === 'executing' ? 'go on' : 'leave'
  }
  const forgotten = state === 'done' ? status === 'sent' : state === 'reported'
  if (!forgotten || Date.parse(reboot.closedAt ?? '') >= askedAt || !repeat(id)) return 'leave'
  // It was set back to an earlier state: what it has forgotten must not happen twice.
  const what = vmid === undefined ? 'machine' : 'container'
  const done = `The ${what} was restarted for this reboot already, at ${reboot.executedAt ?? reboot.closedAt}.`
  failed(reboot, state === 'done' ? done : (reboot.reason ?? ''))
  return 'leave'
}
