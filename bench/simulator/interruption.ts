import { constants } from 'node:os'

export class Interrupted extends Error {
  override name = 'Interrupted'
  readonly exitCode: number
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGPIPE') {
    super(`The simulator was interrupted (${signal}).`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

/**
 * Aborted by a signal, by the end of the reader of the output or by an error that nobody awaited: none of these may
 * end this process before its server and its folder are gone. Signals may come more than once, as npm and the
 * terminal both send them.
 */
export function interruption(): AbortController {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stopping.abort(new Interrupted(signal)))
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => stopping.abort(new Interrupted('SIGPIPE')))
  process.on('uncaughtException', (error) => stopping.abort(error))
  return stopping
}
