import { open } from 'node:fs/promises'
import type { Upload } from '../../core/files/storage.ts'

/** Twice 5,000 packages, offered and upgraded, with room to spare. */
const LINE_BYTES_MAX = 3 * 1_048_576
/** Most runs find little, and their line is short. */
const FIRST_BYTES = 65_536
const DEPTH_MAX = 16
/** What parsing costs is values, not bytes: a megabyte of "[" takes as long as ten of package lists. */
const LISTS_AND_OBJECTS_MAX = 40_000
const KEYS_MAX = 150_000

/** The last line of what a script printed, parsed; or why it was not; or nothing, where it is not JSON at all. */
export type ResultLine = { printed?: Record<string, unknown>; refusal?: string }

export async function resultLine(stdout: Upload | undefined): Promise<ResultLine> {
  if (!stdout) return {}
  await using file = await open(stdout.path, 'r')
  for (const length of [FIRST_BYTES, LINE_BYTES_MAX + 1]) {
    const from = Math.max(0, stdout.size - length)
    const buffer = Buffer.allocUnsafe(stdout.size - from)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from)
    const line = lastLine(buffer.subarray(0, bytesRead), from === 0)
    if (line) return parse(line)
  }
  return { refusal: `its last line is longer than ${LINE_BYTES_MAX} bytes` }
}

/** Undefined where the line begins before what was read. */
function lastLine(bytes: Buffer, isWhole: boolean): Buffer | undefined {
  let end = bytes.length
  while (end > 0 && isSpace(bytes[end - 1])) end--
  const start = end === 0 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1
  return start > 0 || isWhole ? bytes.subarray(start, end) : undefined
}

const NEWLINE = 10
const isSpace = (byte: number | undefined) => byte === NEWLINE || byte === 13 || byte === 32 || byte === 9

function parse(line: Buffer): ResultLine {
  if (line[0] !== OPEN_OBJECT) return {}
  const refusal = tooMuch(line)
  if (refusal) return { refusal }
  try {
    return { printed: JSON.parse(line.toString('utf8')) as Record<string, unknown> }
  } catch {
    // Output that ends in something else is no error of the report: the log itself is kept.
    return { refusal: 'its last line begins like JSON and is none' }
  }
}

const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST, QUOTE, BACKSLASH, COLON] = Buffer.from('{}[]"\\:')

/** Counted before it is parsed, and by bytes: that is some ms for the longest line, whatever is in it. */
function tooMuch(line: Buffer): string | undefined {
  let containers = 0
  let keys = 0
  let depth = 0
  let isText = false
  for (let at = 0; at < line.length; at++) {
    const byte = line[at]
    if (isText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === COLON) keys++
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      containers++
      if (++depth > DEPTH_MAX) return `it is nested more than ${DEPTH_MAX} levels deep`
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
  }
  if (containers > LISTS_AND_OBJECTS_MAX) return `it has more than ${LISTS_AND_OBJECTS_MAX} lists and objects`
  return keys > KEYS_MAX ? `it has more than ${KEYS_MAX} keys` : undefined
}
