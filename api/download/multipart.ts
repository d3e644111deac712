import { randomBytes } from 'node:crypto'
import type { Range } from './ranges.ts'

export type Multipart = {
  type: string
  length: number
  parts: { range: Range; lead: string }[]
  close: string
}

/** Several ranges of one file in one body. */
export function multipartOf(ranges: readonly Range[], type: string, size: number): Multipart {
  const boundary = randomBytes(30).toString('hex')
  const parts = ranges.map((range, at) => ({
    range,
    lead: `${at > 0 ? '\r\n' : ''}--${boundary}\r\nContent-Range: ${contentRange(range, size)}\r\nContent-Type: ${type}\r\n\r\n`,
  }))
  const close = `\r\n--${boundary}--\r\n`
  const length = parts.reduce((sum, { range, lead }) => sum + lead.length + lengthOf(range), close.length)
  return { type: `multipart/byteranges; boundary=${boundary}`, length, parts, close }
}

export const lengthOf = ({ start, end }: Range): number => end - start + 1

export const contentRange = ({ start, end }: Range, size: number): string => `bytes ${start}-${end}/${size}`
