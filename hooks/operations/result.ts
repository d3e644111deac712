import { open } from 'node:fs/promises'
import type { Upload } from '../../core/files/storage.ts'

const RESULT_BYTES_MAX = 1_048_576
const DEPTH_MAX = 64

export type ScriptResult = { updates_available: number | null; result: Record<string, unknown> | null }

/** The JSON object that a patch script prints as its last line, as far as it can be believed. */
export async function resultOf(stdout: Upload | undefined): Promise<ScriptResult> {
  const none = { updates_available: null, result: null }
  if (!stdout) return none
  const line = await lastLine(stdout)
  if (!line.startsWith('{')) return none
  const value = parse(line)
  if (!value) return none
  const count = value.updates_available
  const believable = typeof count === 'number' && Number.isInteger(count) && count >= 0
  return { updates_available: believable ? count : null, result: value }
}

async function lastLine({ path, size }: Upload): Promise<string> {
  await using file = await open(path, 'r')
  const length = Math.min(size, RESULT_BYTES_MAX)
  const buffer = Buffer.alloc(length)
  await file.read(buffer, 0, length, size - length)
  const text = buffer.toString('utf8').trimEnd()
  const start = text.lastIndexOf('\n') + 1
  // A line that begins before what was read is longer than a result may be.
  return start === 0 && size > length ? '' : text.slice(start)
}

/** Undefined for what is no JSON object, is too deep, or holds what the database cannot keep. */
function parse(line: string): Record<string, unknown> | undefined {
  if (line.includes('\\u0000')) return undefined
  let depth = 0
  for (const letter of line) {
    if (letter === '{' || letter === '[') depth++
    else if (letter === '}' || letter === ']') depth--
    if (depth > DEPTH_MAX) return undefined
  }
  try {
    const value: unknown = JSON.parse(line)
    const usable = typeof value === 'object' && value !== null && !Array.isArray(value)
    return usable && line.isWellFormed() ? (value as Record<string, unknown>) : undefined
  } catch {
    // Output that ends in something else is no error of the report: the log itself is kept.
    return undefined
  }
}
