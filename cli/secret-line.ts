import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { StartError } from '../core/errors.ts'

/** The first line of standard input; what is typed at a terminal is not shown. Throws StartError when it is empty. */
export async function readSecretLine(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY === true })
  if (stdin.isTTY) stderr.write(prompt)
  try {
    // A terminal in raw mode hands Ctrl-C over as a key.
    lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    for await (const line of lines) {
      if (line === '') break
      return line
    }
  } finally {
    lines.close()
    if (stdin.isTTY) stderr.write('\n')
  }
  throw new StartError('Standard input holds no password; its first line must be the password.')
}
