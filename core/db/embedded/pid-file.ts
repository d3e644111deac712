import * as fs from 'node:fs'
import { join } from 'node:path'
import { startFailure } from './start-errors.ts'

/** What postmaster.pid says; undefined when there is none. The file is PostgreSQL's: it is never written or removed here. */
export function readPidFile(cluster: string): { pid: number; ready: boolean } | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  let text: string
  try {
    text = fs.readFileSync(join(cluster, 'postmaster.pid'), {
      encoding: 'utf8',
      flag: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
    })
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException
    if (error.code === 'ENOENT') return undefined
    throw startFailure('Reading postmaster.pid', error.message, cluster, { cause })
  }
  const lines = text.split('\n')
  return { pid: Number.parseInt(lines[0] ?? '', 10), ready: lines[7]?.trim() === 'ready' }
}
