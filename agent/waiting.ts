import type { Log } from './log.ts'

/** Reasons by what waits for them, as they were last said. Beyond so many they are said again. */
const said = new Map<string, string>()
const REMEMBERED_MAX = 1_000

/** Says once why the server lets something wait: it asks again many times for the same answer. */
export const sayWaiting = (log: Log, id: string, reason: string) => {
  if (said.get(id) === reason) return
  if (said.size >= REMEMBERED_MAX) said.clear()
  said.set(id, reason)
  log.info('The server lets it wait.', { id, reason })
}
