import { constants } from 'node:os'
import { StartError } from '../../core/errors.ts'

export class Interrupted extends Error {
  override name = 'Interrupted'
  readonly exitCode: number
  constructor(exitCode: number) {
    super('The demo was interrupted.')
    this.exitCode = exitCode
  }
}

const PARENT_LOOK_MS = 250

/**
 * Aborted by a signal, by the end of the parent or of the reader of the output, by an error nobody awaited, or after
 * `minutes`: none of these may end this process before it has cleaned up. Signals may come more than once, as npm and
 * the terminal both send them.
 */
export function interruption(minutes: number): AbortController {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stopping.abort(new Interrupted(128 + constants.signals[signal])))
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => stopping.abort(new Interrupted(128 + constants.signals.SIGPIPE)))
  // npm passes on SIGINT and SIGTERM, but dies of a SIGHUP by itself.
  const parent = process.ppid
  const orphaned = () =>
    process.ppid !== parent && stopping.abort(new Interrupted(128 + constants.signals.SIGHUP))
  setInterval(orphaned, PARENT_LOOK_MS).unref()
  process.on('uncaughtException', (error) => stopping.abort(error))
  const late = new StartError(`The demo had no result after ${minutes} minutes and was given up.`)
  setTimeout(() => stopping.abort(late), minutes * 60_000).unref()
  return stopping
}
