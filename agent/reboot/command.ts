import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename } from 'node:path'
import { reasonOf } from '../errors.ts'

const SAID_MAX = 500

/**
 * Gives a command, whose output goes into the file `output`. Resolves with why it failed; undefined where it did
 * not, or was ended by a signal, as every process is when a machine goes down. It outlives the agent: what it has
 * begun must come to its end.
 */
export const giveCommand = async (
  [program = '', ...args]: readonly string[],
  output: string,
): Promise<string | undefined> => {
  const name = `"${[basename(program), ...args].join(' ')}"`
  try {
    const code = await run(program, args, output)
    if (!code) return undefined
    const said = readFileSync(output, 'utf8')
      .replace(/[\p{Cc}\s]+/gu, ' ')
      .trim()
      .slice(-SAID_MAX)
    return `${name} failed with exit code ${code}${said ? `: ${said}` : '.'}`
  } catch (error) {
    return `${name} could not be run: ${reasonOf(error)}.`
  }
}

const run = (program: string, args: string[], output: string): Promise<number | null> => {
  const file = openSync(output, 'w', 0o600)
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', file, file],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: homedir(),
      LC_ALL: 'C',
    },
  })
  closeSync(file)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
}
