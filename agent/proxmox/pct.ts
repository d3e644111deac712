import { capture } from '../capture.ts'
import type { Context } from '../context.ts'
import { AgentError, reasonOf } from '../errors.ts'

/** What `pct` refused or failed at. `lock` is the name of another's lock on the container, which may pass. */
export class PctError extends AgentError {
  override name = 'PctError'
  readonly lock: string | undefined
  readonly #said: string
  /** `said`: what of it are words of `pct` itself, and not of a container. */
  constructor(message: string, said = message) {
    super(message)
    this.#said = said
    this.lock = lockIn(said)
  }
  /** The container is not what it is about: another's lock, a cluster that is not quorate, a command that hangs. */
  get mayPass() {
    return this.lock !== undefined || PASSING.test(this.#said) || OVERDUE.test(this.message)
  }
}

/** Without a quorum /etc/pve can be read only, and while its service starts nobody answers. */
const PASSING = /no quorum|Permission denied|Connection refused|ipcc_send_rec/i
/** Our own words, which are the first of a sentence. */
const OVERDUE = /^pct (\w+ )?had not ended after/

/** The name of the lock that a message of `pct` is about. */
export const lockIn = (said: string): string | undefined => {
  const named = /CT is locked \(([\w-]+)\)/.exec(said)
  if (named) return named[1]
  // Another pct at work, which has the file and has not yet said why.
  return /can't lock file .*got timeout/.test(said) ? 'another command' : undefined
}

/** Of what `pct` has printed, its own words: those of `pct exec` may be the container's. */
export const ofPct = (args: readonly string[], said: string): string => (args[0] === 'exec' ? '' : said)

const ANSWER_BYTES_MAX = 256 * 1024

/** The folders in which `pct` is looked for. Throws where this host is no Proxmox node. */
export const pathOf = ({ proxmox }: Pick<Context, 'proxmox'>): string => {
  if (!proxmox) throw new AgentError('This host is no Proxmox node: it has no pct.')
  return proxmox.path
}

/** Asks `pct` for what changes nothing, and returns what it printed. Throws `PctError`. */
export const askPct = async (
  context: Pick<Context, 'proxmox' | 'timings'>,
  args: readonly string[],
  timeoutMs = context.timings.pctMs,
): Promise<string> => {
  try {
    const limits = { timeoutMs, graceMs: 1_000, maxBytes: ANSWER_BYTES_MAX, path: pathOf(context) }
    return await capture('pct', args, limits)
  } catch (error) {
    throw new PctError(reasonOf(error), ofPct(args, reasonOf(error)))
  }
}

/** `key: value` lines, as `pct config` and `pct status` print them. */
export const parseLines = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const found = /^([\w-]+): (.*)$/.exec(line)
      return found?.[1] && found[2] !== undefined ? [[found[1], found[2]]] : []
    }),
  )

/** A container as this node knows it. */
export type Found = { vmid: number; name: string; running: boolean; lock: string | undefined }

/** Throws `PctError` where the container is not on this node. */
export const findContainer = async (context: Context, vmid: number): Promise<Found> => {
  const config = parseLines(await askPct(context, ['config', `${vmid}`]))
  const { lock, hostname } = config
  return { vmid, lock, name: printable(hostname ?? ''), running: await isRunning(context, vmid) }
}

export const isRunning = async (context: Context, vmid: number): Promise<boolean> =>
  parseLines(await askPct(context, ['status', `${vmid}`])).status === 'running'

/** A name goes into sentences that people read. */
const printable = (name: string) => name.replace(/[^\w.-]/g, '').slice(0, 100)

/** As sentences name it: `Container 101 (web)`. */
export const called = ({ vmid, name }: { vmid: number; name: string }) =>
  name ? `Container ${vmid} (${name})` : `Container ${vmid}`
