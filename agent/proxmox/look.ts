import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { Host } from '../guard.ts'
import type { Operation, Refusal } from '../operation-record.ts'
import type { Health } from './container-part.ts'
import { probe } from './health.ts'
import { askInside } from './inside.ts'
import { interpreterOf } from './interpreter.ts'
import { called, type Found, findContainer, PctError } from './pct.ts'
import { platformInside } from './platform.ts'

/** What is known of a container before its operation is claimed; of one that is stopped, only that it is. */
export type Looked = { found: Found; host?: Host; before?: Health }

/** Since when operations wait for the lock that somebody else has on their container. */
const waitingSince = new Map<string, number>()

const refuse = (message: string): { refusal: Refusal } => ({ refusal: { outcome: 'not_started', message } })

/** Looks at the container of an operation, and changes nothing. */
export const lookAt = async (
  context: Context,
  { id, mode, start_stopped }: Operation,
  vmid: number,
): Promise<Looked | { refusal: Refusal } | { retryAfterMs: number }> => {
  const { timings, log } = context
  try {
    const found = await findContainer(context, vmid)
    if (found.lock !== undefined) {
      const since = waitingSince.get(id) ?? performance.now()
      waitingSince.set(id, since)
      if (performance.now() - since < timings.lockWaitMs) {
        log.info('The container is locked by somebody else and is looked at again.', {
          id,
          vmid,
          lock: found.lock,
        })
        return { retryAfterMs: timings.lockRetryMs }
      }
    }
    waitingSince.delete(id)
    if (found.lock !== undefined)
      return refuse(
        `${called(found)} is locked (${found.lock}), and was for as long as is waited for. ${UNTOUCHED}`,
      )
    if (!found.running) return start_stopped ? { found } : refuse(stoppedMessage(found))
    const host = await platformInside(context, found)
    return { found, host, ...(mode === 'apply' ? { before: await probe(context, vmid) } : {}) }
  } catch (error) {
    if (!(error instanceof PctError)) throw error
    return refuse(`Container ${vmid} cannot be patched now: ${reasonOf(error)} ${UNTOUCHED}`)
  }
}

const UNTOUCHED = 'Nothing was done in it.'

export const stoppedMessage = (found: Found) =>
  `${called(found)} is stopped; it was left alone. Order with start_stopped to have it started for this.`

/** Why a script cannot be run there, where what it is written for is missing. Throws `PctError`. */
export const refusedInterpreter = async (
  context: Context,
  found: Found,
  script: string,
): Promise<Refusal | undefined> => {
  const { program } = interpreterOf(script)
  if ((await askInside(context, found.vmid, 'HAS_PROGRAM', program)).trim() === 'yes') return undefined
  const message = `${called(found)} has no ${program}, which its patch script is written for. Install it there. Nothing was run.`
  return { outcome: 'not_started', message }
}
