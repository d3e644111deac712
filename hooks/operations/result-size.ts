import { addNote, LISTS, type Result } from './result.ts'

/**
 * Of a result in the database. It is part of every list of operations and of their events, and the whole of it is in
 * the log beside it.
 */
const STORED_BYTES_MAX = 524_288

/** The same result with shorter lists where it is too large to be kept whole. */
export function fitted(result: Result): Result {
  let kept = result
  for (let length = longest(result); bytesOf(kept) > STORED_BYTES_MAX && length > 0; ) {
    length = Math.floor(length / 2)
    kept = { ...result }
    for (const name of LISTS) kept[name] = result[name].slice(0, length)
    addNote(kept, [`Lists are cut to their first ${length}, to be kept; the log has them whole.`])
  }
  return kept
}

const longest = (result: Result): number => Math.max(...LISTS.map((name) => result[name].length))
const bytesOf = (result: Result): number => Buffer.byteLength(JSON.stringify(result))
