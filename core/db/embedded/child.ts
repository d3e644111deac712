import { spawn } from 'node:child_process'
import { StartError } from '../../errors.ts'

/** An account of the operating system. */
export type Account = { name: string; uid: number; gid: number }

export type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

/** Nothing of the caller's environment may steer PostgreSQL (PGDATA, PGPORT, LC_*), save where libraries are. */
export function childEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const { PATH, LD_LIBRARY_PATH } = process.env
  return {
    PATH: PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    ...(LD_LIBRARY_PATH ? { LD_LIBRARY_PATH } : {}),
    ...extra,
  }
}

/** Only root may (and must) change the account of a child. */
export const accountOptions = (account: Account) =>
  process.geteuid?.() === 0 ? { uid: account.uid, gid: account.gid } : {}

/**
 * Runs a program to its end as `account`. `folders` are open descriptors the child gets as 3, 4, ...: through
 * /proc/self/fd/3 it reaches a folder whose parents it may not enter.
 * Throws StartError when the program is not installed; any other failure to start it is an Ended with its reason.
 */
export function runAs(
  account: Account,
  command: string,
  args: string[],
  options: { folders?: number[]; env?: Record<string, string> } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...accountOptions(account),
      cwd: '/',
      env: childEnvironment(options.env),
      stdio: ['ignore', 'pipe', 'pipe', ...(options.folders ?? [])],
    })
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && !command.includes('/')) reject(missingProgram(command))
      else resolve({ code: null, signal: null, stdout, stderr: error.message })
    })
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

export const missingProgram = (command: string) =>
  new StartError(
    `The program "${command}", which the embedded PostgreSQL needs, is not installed; install it (package util-linux, coreutils, libc-bin or passwd), or set DATABASE_URL to a PostgreSQL of your own.`,
  )
