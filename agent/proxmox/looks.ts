import type { Context } from '../context.ts'
import { reasonOf } from '../errors.ts'
import type { GuestRow } from './answers.ts'
import { containerPlatform, type Platform } from './platform.ts'

/** A container is updated without being restarted, too. */
const DAY_MS = 86_400_000
/** One that does not answer is left alone for so long. */
const RETRY_MS = 3_600_000
/** Uptime is told in seconds, and clocks are set. */
const SAME_START_MS = 60_000
/** Each look is a process of Perl on the host. */
const AT_ONCE = 2

type Looked = { name: string; startedAt: number | undefined; until: number; platform: Platform | undefined }

/** Of one that is not told, nobody can say that it was another. */
const isSameStart = (one: number | undefined, other: number | undefined): boolean =>
  one === undefined || other === undefined || Math.abs(one - other) < SAME_START_MS

/** What was seen inside containers, remembered until they are restarted or a day has passed. */
export const openLooks = (context: Pick<Context, 'proxmox' | 'timings' | 'log' | 'stop'>) => {
  const seen = new Map<number, Looked>()
  const startOf = ({ uptime }: GuestRow) => (uptime === undefined ? undefined : Date.now() - uptime * 1000)

  /** A number is given away again; whoever has it then has another name, or is looked into again. */
  const namesake = ({ vmid, name }: GuestRow): Looked | undefined => {
    const looked = seen.get(vmid)
    return looked?.name === name ? looked : undefined
  }

  const known = (guest: GuestRow): Looked | undefined => {
    const looked = namesake(guest)
    return looked && Date.now() < looked.until && isSameStart(looked.startedAt, startOf(guest))
      ? looked
      : undefined
  }

  const look = async (guest: GuestRow) => {
    const { vmid, name } = guest
    const startedAt = startOf(guest)
    try {
      const platform = await containerPlatform(context, vmid)
      seen.set(vmid, { name, startedAt, until: Date.now() + DAY_MS, platform })
    } catch (error) {
      const platform = namesake(guest)?.platform
      seen.set(vmid, { name, startedAt, until: Date.now() + RETRY_MS, platform })
      context.log.warn('A container could not be looked into.', { vmid, reason: reasonOf(error) })
    }
  }

  return {
    /** What was last seen; undefined for one that nobody could look into, and for another that got its number. */
    of: (guest: GuestRow): Platform | undefined => namesake(guest)?.platform,

    /** Looks into those of which nothing is known any more. True where that was any. */
    async into(guests: readonly GuestRow[]): Promise<boolean> {
      const there = new Set(guests.map(({ vmid }) => vmid))
      for (const vmid of seen.keys()) if (!there.has(vmid)) seen.delete(vmid)
      // A lock is another's work on it: it may be frozen, or about to go.
      const wanted = guests.filter(
        (guest) => guest.status === 'running' && guest.lock === '' && !known(guest),
      )
      const waiting = [...wanted]
      const one = async () => {
        for (let guest = waiting.shift(); guest && !context.stop.aborted; guest = waiting.shift())
          await look(guest)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, one))
      return wanted.length > 0
    },
  }
}
