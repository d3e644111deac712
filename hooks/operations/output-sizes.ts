import { Conflict } from '../../core/errors.ts'
import type { Upload } from '../../core/files/storage.ts'

/** Bytes that the agent says it has read from the script; undefined where it does not say. */
export type OutputSizes = { stdout_size?: number | undefined; stderr_size?: number | undefined }

/**
 * An output that was cut off on its way must not pass for the whole. The Conflict says from which byte on the
 * server has nothing, as `stdout_offset` and `stderr_offset`.
 */
export function refuseCutOutput(uploads: readonly Upload[], { stdout_size, stderr_size }: OutputSizes): void {
  const wanted: Record<string, number> = {}
  for (const [stream, size] of Object.entries({ stdout: stdout_size, stderr: stderr_size })) {
    const has = uploads.findLast(({ field }) => field === `${stream}_file`)?.size ?? 0
    if (size !== undefined && size !== has) wanted[`${stream}_offset`] = has
  }
  if (Object.keys(wanted).length > 0)
    throw new Conflict('The output is not as long as its size says; send it again.', wanted)
}
