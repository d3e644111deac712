/** Waiting for child processes: for what they print, and for their end. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export type RunResult = { code: number | null; stdout: string; stderr: string }

/** Resolves when the child has printed `line`. Its early end is an error that begins with `otherwise`. */
export async function ready(child: ChildProcess, line: string, otherwise: string): Promise<void> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => text.includes(line) && resolve())
    child.once('close', (code) => reject(new Error(`${otherwise} (code ${code}): ${stderr.trim()}`)))
  })
}

/** Resolves when the child and its output have ended. */
export async function finished(child: ChildProcess): Promise<RunResult> {
  const result: RunResult = { code: null, stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { ...result, code }
}
