import { z } from 'zod'
import { readJson, writeJson } from './state.ts'

/** The newest version of a script that was about to run here, by each key that signed one. */
const Seen = z.object({
  family: z.string(),
  os_version: z.string(),
  name: z.string(),
  key_id: z.string(),
  sequence: z.number(),
  sha256: z.string(),
})
export type Seen = z.infer<typeof Seen>

export type SequenceMemory = {
  /** Why `script` is older than what was seen; undefined where it is not. */
  refuses(script: Seen, trustedKeyIds: readonly string[]): string | undefined
  /** Raises the memory, through to the disk. It never goes down. */
  keep(script: Seen): void
}

const isSame = (a: Seen, b: Seen) =>
  a.family === b.family && a.os_version === b.os_version && a.name === b.name

export const sequenceMemory = (load: () => Seen[], save: (all: Seen[]) => void): SequenceMemory => ({
  refuses(script, trustedKeyIds) {
    // A key that is trusted no longer must not have the last word, or a stolen one could end every later version.
    const seen = load().filter((each) => isSame(each, script) && trustedKeyIds.includes(each.key_id))
    const newer = seen.find(({ sequence }) => sequence > script.sequence)
    if (newer) return `is version ${script.sequence}, and ${newer.sequence} was seen here before`
    const other = seen.find(
      ({ sequence, sha256 }) => sequence === script.sequence && sha256 !== script.sha256,
    )
    if (other) return `has the sequence ${script.sequence} of another version that was seen here before`
    return undefined
  },

  keep(script) {
    const all = load()
    const before = all.find((each) => isSame(each, script) && each.key_id === script.key_id)
    if (before && before.sequence >= script.sequence) return
    const { family, os_version, name, key_id, sequence, sha256 } = script
    save([...all.filter((each) => each !== before), { family, os_version, name, key_id, sequence, sha256 }])
  },
})

export const openSequences = (file: string): SequenceMemory =>
  sequenceMemory(
    () => readJson(file, z.array(Seen)) ?? [],
    (all) => writeJson(file, all),
  )
