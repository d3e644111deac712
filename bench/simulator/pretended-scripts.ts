import type { ScriptRunner } from '../../agent/process.ts'
import type { MemoryJournal } from './memory-journal.ts'

export type PretendedRun = {
  /** How long the script takes. */
  ms: number
  exitCode: number
}

/** What a shell reports of a script that a signal ended. */
const TERMINATED = 143

/** Runs nothing: a script is a timer that ends with an exit code. `started` is told of each, once it goes. */
export function pretendedScripts(
  journal: MemoryJournal,
  plan: (operation: string) => PretendedRun,
  started: (operation: string) => void,
): ScriptRunner {
  const running = new Map<number, (exitCode?: number) => void>()
  let last = 0
  return {
    async start({ script }) {
      // The journal's path of it: the operation's id and a file's name.
      const operation = script.slice(0, script.indexOf('/'))
      const pid = ++last
      let timer: NodeJS.Timeout | undefined
      const ended = new Promise<void>((resolve) => {
        running.set(pid, (exitCode) => {
          clearTimeout(timer)
          running.delete(pid)
          if (exitCode !== undefined) journal.ended(operation, exitCode)
          resolve()
        })
      })
      return {
        id: { pid, startTime: `${pid}`, bootId: 'pretended' },
        go() {
          started(operation)
          const { ms, exitCode } = plan(operation)
          timer = setTimeout(() => running.get(pid)?.(exitCode), ms)
        },
        never: () => running.get(pid)?.(),
        ended,
      }
    },
    lives: ({ pid }) => running.has(pid),
    async stop({ pid }) {
      running.get(pid)?.(TERMINATED)
    },
  }
}
