import type { Job, Journal } from '../../agent/journal.ts'
import type { Outputs } from './outputs.ts'

export type MemoryJournal = Journal & {
  /** What the wrapper of a real script writes beside it. */
  ended(id: string, exitCode: number): void
}

/** The agent's journal without its disk. What a script has printed is one of a few files that all share. */
export function memoryJournal(outputs: Outputs): MemoryJournal {
  const jobs = new Map<string, Job>()
  const exits = new Map<string, number>()
  return {
    read: (id) => jobs.get(id),
    path: (id, file) =>
      file === 'stdout' || file === 'stderr' ? outputs.path(file, exits.get(id)) : `${id}/${file}`,
    save(job) {
      jobs.set(job.id, job)
      return job
    },
    prepare: () => undefined,
    forget(id) {
      jobs.delete(id)
      exits.delete(id)
    },
    exitCode: (id) => exits.get(id),
    all: () => [...jobs.values()],
    prune: () => undefined,
    ended: (id, exitCode) => exits.set(id, exitCode),
  }
}
