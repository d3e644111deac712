import { setTimeout as wait } from 'node:timers/promises'
import type { DemoApi } from './api.ts'
import type { Operation } from './report.ts'

const LOOK_MS = 250

/** Asks for a dry run, says each state it comes to, and returns it when it has ended. */
export async function dryRun(
  api: DemoApi,
  agent: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Operation> {
  const began = performance.now()
  let operation = await api.requestDryRun(agent)
  say(`  dry run   ${operation.id}, ${operation.status}`)
  for (let told = operation.status; operation.status === 'pending' || operation.status === 'running'; ) {
    await wait(LOOK_MS, undefined, { signal })
    operation = await api.operation(operation.id)
    if (operation.status === told) continue
    told = operation.status
    say(`            ${told} after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  return operation
}
