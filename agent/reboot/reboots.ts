import type { Context } from '../context.ts'
import { HttpError } from '../errors.ts'
import type { Source, Work } from '../work.ts'
import { openFailures } from './failures.ts'
import { followGuest } from './guest.ts'
import { awaitRestart } from './host.ts'
import type { RebootMachine } from './machine.ts'
import type { RebootMemory, Remembered } from './memory.ts'
import type { RebootParts } from './parts.ts'
import { runReboot } from './reboot.ts'
import { Reboot } from './reboot-record.ts'
import { judge, settle } from './settle.ts'

const COLLECTION = 'reboot_operations'
const UNFINISHED = 'status = "sent" || status = "rebooting"'
/** A server that knows no reboots is asked again this much later. */
const ASK_AGAIN_MS = 3_600_000

type Given = { machine: RebootMachine; memory: RebootMemory; reported: () => Promise<unknown> }

/** Reboots as work. What was begun goes on before anything else is done. */
export const openReboots = (context: Context, given: Given): Source => {
  const { transport, log } = context
  const { memory } = given
  const parts: RebootParts = { context, ...given, ...openFailures(context, memory) }
  /** Reboots this process has reported a second time; once is enough, whatever the server makes of it. */
  const repeated = new Set<string>()
  const firstTime = (id: string) => repeated.size < repeated.add(id).size
  let unknownUntil = Number.NEGATIVE_INFINITY

  const list = async (): Promise<Reboot[]> => {
    if (performance.now() < unknownUntil) return []
    const records = await transport.list(COLLECTION, UNFINISHED).catch((error: unknown) => {
      if (!(error instanceof HttpError && error.status === 404)) throw error
      if (unknownUntil === Number.NEGATIVE_INFINITY) log.warn('This server knows no reboots.')
      unknownUntil = performance.now() + ASK_AGAIN_MS
      return []
    })
    return records.flatMap((record) => {
      const parsed = Reboot.safeParse(record)
      if (!parsed.success) log.warn('A record is not a reboot.', { reason: parsed.error.message })
      return parsed.success ? [parsed.data] : []
    })
  }

  const goOn = (reboot: Remembered): Work => ({
    id: reboot.id,
    async run() {
      const { vmid } = reboot
      await (vmid === undefined ? awaitRestart(parts, reboot) : followGuest(parts, { ...reboot, vmid }))
      return undefined
    },
  })

  return {
    collection: COLLECTION,
    ending: () => false,

    async look(current) {
      const askedAt = Date.now()
      const known = memory.all().filter(({ id }) => id !== current?.id)
      const begun = known.map((reboot) => settle(parts, reboot)).filter(({ state }) => state === 'executing')
      if (begun.length > 0) return begun.map(goOn)
      const listed = (await list()).filter(({ id }) => id !== current?.id)
      const open = new Set(listed.map(({ id }) => id))
      for (const { id, state } of known) if (state === 'acknowledging' && !open.has(id)) memory.forget(id)
      return listed.flatMap((reboot) => {
        const judged = judge(parts, reboot, askedAt, firstTime)
        if (judged === 'begin') return [{ id: reboot.id, run: () => runReboot(parts, reboot) }]
        const begun = judged === 'go on' && memory.read(reboot.id)
        return begun ? [goOn(begun)] : []
      })
    },
  }
}
