import { BadRequest } from '../errors.ts'

/** What one request may add to its answer by `expand`; a record counts each time it is shown. */
const RECORDS_MAX = 10_000
const BYTES_MAX = 32 * 1_048_576
const TIME_MS = 5000

export type Budget = {
  /** How many more records may be shown. Throws BadRequest when the time is over, which begins with the first call. */
  left(): number
  /** Throws BadRequest when nothing is left for these: `times` copies of a record of that size. */
  spend(times: number, bytes: number): void
}

/**
 * The bound on an expansion. Records are shared while the answer is put together and repeated when it is written, so
 * a cycle of two back relations would be a thousand times a thousand records out of two thousand.
 */
export function createBudget(): Budget {
  let records = RECORDS_MAX
  let bytesLeft = BYTES_MAX
  let end: number | undefined
  return {
    left() {
      end ??= performance.now() + TIME_MS
      if (performance.now() > end)
        throw new BadRequest(`"expand" takes more than ${TIME_MS / 1000} seconds; ask for fewer paths.`)
      return records
    },
    spend(times, bytes) {
      records -= times
      bytesLeft -= times * bytes
      if (records < 0) throw tooMuch(`${RECORDS_MAX} records`)
      if (bytesLeft < 0) throw tooMuch(`${BYTES_MAX / 1_048_576} MiB`)
    },
  }
}

const tooMuch = (limit: string) =>
  new BadRequest(
    `"expand" would add more than ${limit} to the answer; ask for fewer records per page, or for fewer paths.`,
  )
