import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { z } from 'zod'

/**
 * Whether a patch script that applied updates and ended with this code may have changed its target. Taking a
 * container back loses what its services have written since, so that it is done only where there is something to
 * take back. Codes are those of patch-scripts/README.md; every other one, and a script that a signal ended, may have.
 */
const CHANGED: Record<number, 'yes' | 'no' | 'as its result says'> = {
  0: 'yes',
  1: 'as its result says', // wrong arguments, and any failure of a script that somebody else has written
  2: 'no', // nothing to do
  101: 'no', // the metadata could not be refreshed
  102: 'no', // a lock was held too long; while packages change there is no such code
  103: 'no', // a download failed
  104: 'yes', // the transaction failed
  105: 'yes', // an earlier installation could not be finished
  106: 'as its result says', // a contradiction, which may have kept back one package of many
  107: 'as its result says', // the disk is full
  108: 'no', // stopped before anything was installed
  109: 'as its result says',
}

const Result = z.object({ upgraded: z.array(z.unknown()), failed: z.array(z.unknown()) })

/** The lists of a thousand packages are shorter. */
const RESULT_BYTES_MAX = 4 * 1024 * 1024

/** `stdout` is the file with the script's output. */
export const mayHaveChanged = (exitCode: number | undefined, stdout: string): boolean => {
  const changed = exitCode === undefined ? 'yes' : (CHANGED[exitCode] ?? 'yes')
  if (changed !== 'as its result says') return changed === 'yes'
  const result = resultIn(stdout)
  return !result || result.upgraded.length > 0 || result.failed.length > 0
}

/** The last line of the output, where it is a result. */
const resultIn = (file: string) => {
  const last = tailOf(file, RESULT_BYTES_MAX).trimEnd().split('\n').at(-1) ?? ''
  try {
    const parsed = Result.safeParse(JSON.parse(last))
    return parsed.success ? parsed.data : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The last `maxBytes` of a file as text; '' where there is none. */
export const tailOf = (file: string, maxBytes: number): string => {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(size, maxBytes))
    const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(fd)
  }
}
