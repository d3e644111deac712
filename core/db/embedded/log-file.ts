import * as fs from 'node:fs'
import { onPath } from './start-errors.ts'

/** Kept twice at most: postgres.log and postgres.log.1. */
const largestLogBytes = 1_048_576
const tailBytes = 8_192

export type LogFile = {
  path: string
  /** For PostgreSQL's stdout and stderr. */
  fd: number
  /** The last lines written since it was opened. */
  tail(): string[]
  close(): void
}

/** Opens the log for appending and keeps its size in bounds while open. Throws StartError. */
export function openLog(path: string, report: (line: string) => void): LogFile {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = fs.constants
  const fd = onPath(path, () => fs.openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600))
  const shorten = () => {
    try {
      keepSmall(fd, path)
    } catch (error) {
      // The log must not end the server; the database goes on without its old lines.
      report(`The old lines of ${path} could not be kept: ${(error as Error).message}.`)
    }
  }
  shorten()
  const start = fs.fstatSync(fd).size
  // A pipe through this process would stall PostgreSQL whenever the event loop is busy, so it writes by itself.
  const timer = setInterval(shorten, 60_000).unref()
  return {
    path,
    fd,
    tail: () => lastLines(fd, start),
    close() {
      clearInterval(timer)
      fs.closeSync(fd)
    },
  }
}

/** Copy and cut, not rename: PostgreSQL keeps the same descriptor, which appends and so starts at 0 again. */
function keepSmall(fd: number, path: string): void {
  if (fs.fstatSync(fd).size <= largestLogBytes) return
  try {
    fs.copyFileSync(path, `${path}.1`)
  } finally {
    // Also when the disk is full: that is when the space is needed most.
    fs.ftruncateSync(fd, 0)
  }
}

function lastLines(fd: number, start: number): string[] {
  const { size } = fs.fstatSync(fd)
  const from = Math.max(Math.min(start, size), size - tailBytes)
  const text = Buffer.alloc(size - from)
  fs.readSync(fd, text, 0, text.length, from)
  return text.toString('utf8').split('\n').filter(Boolean).slice(-8)
}
