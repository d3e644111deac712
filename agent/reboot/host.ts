import { sleep } from '../backoff.ts'
import { giveCommand } from './command.ts'
import type { Remembered } from './memory.ts'
import { leftOf, type RebootParts } from './parts.ts'

/** Gives the command that restarts this machine, and stays until it goes down, or does not. */
export const restartHost = async (parts: RebootParts, reboot: Remembered, command: string[]) => {
  const { context, memory, failed } = parts
  const { timings, log, stop } = context
  log.info('The machine is restarted.', { id: reboot.id, command: command.join(' ') })
  const failure = Promise.withResolvers<string>()
  const given = giveCommand(command, memory.output(reboot.id))
  void given.then((reason) => reason !== undefined && failure.resolve(reason))
  const enough = new AbortController()
  const stillUp = goesDown(parts, reboot, AbortSignal.any([stop, enough.signal]))
  const reason = await Promise.race([stillUp, failure.promise])
  enough.abort()
  // It may have failed because the machine goes down already.
  await sleep(timings.stopWaitMs, stop)
  if (reason !== undefined && !stop.aborted) failed(reboot, reason)
}

/** Stays after an earlier process of the agent may have given the command. */
export const awaitRestart = async (parts: RebootParts, reboot: Remembered) => {
  parts.context.log.info('The machine was to be restarted a moment ago; it is waited for.', { id: reboot.id })
  const reason = await goesDown(parts, reboot, parts.context.stop)
  if (reason !== undefined) parts.failed(reboot, reason)
}

/** Resolves with a sentence where the machine is still there after its time; undefined once `stop` is aborted. */
const goesDown = async ({ context }: RebootParts, reboot: Remembered, stop: AbortSignal) => {
  const { timeoutSeconds, executedAt } = reboot
  // While the server still waits for it, so does the agent.
  const ms = Math.max(context.timings.stillUpMs, timeoutSeconds * 1000)
  await sleep(leftOf(ms, executedAt), stop)
  if (stop.aborted) return undefined
  return `The machine was still up ${Math.round(ms / 1000)} s after the command to restart it.`
}
