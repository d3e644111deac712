import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { StartError } from '../../errors.ts'
import type { Binaries } from './binaries.ts'
import { type Account, accountOptions, childEnvironment, missingProgram } from './child.ts'
import { type DataFolder, openFolder } from './data-folder.ts'
import type { LogFile } from './log-file.ts'
import { readPidFile } from './pid-file.ts'
import { childPath } from './postgres-config.ts'
import { startFailure } from './start-errors.ts'

export type Exit = { code: number | null; signal: NodeJS.Signals | null }

export type Postmaster = {
  pid: number
  exited: Promise<Exit>
  /** Resolves when connections are accepted. Throws StartError with the log's last lines when it ends before. */
  ready(): Promise<void>
  /** Ends it within five seconds, in order when it can. */
  stop(): Promise<void>
}

export type PostmasterOptions = {
  folder: DataFolder
  cluster: string
  binaries: Binaries
  account: Account
  log: LogFile
  report: (line: string) => void
  /** The pid in postmaster.pid when it is another program's by now; PostgreSQL then does not mind it. */
  recycledPid?: number
  /** Off for tests of a PostgreSQL that outlived its server. */
  endWithParent?: boolean
}

/** Starts PostgreSQL on the cluster. Throws StartError when it cannot be started at all. */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const { folder, cluster, binaries, account, log, recycledPid } = options
  const folders = [cluster, folder.run, folder.conf].map(openFolder)
  const command = [
    ...(options.endWithParent === false ? [] : ['setpriv', '--pdeathsig', 'INT', '--']),
    binaries.postgres,
    '-D',
    childPath.cluster,
    '-c',
    `config_file=${childPath.conf}/postgresql.conf`,
  ]
  try {
    const child = spawn(command[0]!, command.slice(1), {
      ...accountOptions(account),
      cwd: '/',
      // What pg_ctl uses to name a process that is surely no PostgreSQL; the check of shared memory stays.
      env: childEnvironment(recycledPid ? { PG_GRANDPARENT_PID: String(recycledPid) } : {}),
      // A session of its own: Ctrl-C in the terminal is for the server, which drains and then stops PostgreSQL.
      detached: true,
      stdio: ['ignore', log.fd, log.fd, ...folders],
    })
    const exited = new Promise<Exit>((resolve) =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    )
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          cause.code === 'ENOENT'
            ? missingProgram(command[0]!)
            : startFailure('Starting PostgreSQL', cause.message, cluster, { cause }),
        ),
      )
    })
    const pid = child.pid!
    return {
      pid,
      exited,
      ready: () => untilReady(pid, exited, options),
      stop: () => stopChild(child, exited),
    }
  } finally {
    for (const fd of folders) fs.closeSync(fd)
  }
}

/** As pg_ctl does: the last line of postmaster.pid says "ready". No limit of time: recovery takes what it takes. */
async function untilReady(pid: number, exited: Promise<Exit>, options: PostmasterOptions): Promise<void> {
  let exit: Exit | undefined
  exited.then((value) => {
    exit = value
  })
  const started = performance.now()
  let nextWord = 10_000
  while (!exit) {
    const lines = readPidFile(options.cluster)
    if (lines?.pid === pid && lines.ready) return
    if (performance.now() - started > nextWord) {
      options.report(
        `PostgreSQL is still starting (${nextWord / 1000} s), probably recovering after a crash; see ${options.log.path}.`,
      )
      nextWord += 10_000
    }
    await wait(20)
  }
  const lines = options.log.tail()
  throw startFailure(
    `Starting PostgreSQL (ended with ${exit.signal ?? exit.code})`,
    lines.join('\n'),
    options.cluster,
    {
      logged: { path: options.log.path, lines },
    },
  )
}

async function stopChild(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  const escalation = [
    // Fast shutdown: sessions end, data is flushed.
    { signal: 'SIGINT', milliseconds: 3_000 },
    // Immediate: the next start recovers from the log.
    { signal: 'SIGQUIT', milliseconds: 1_500 },
    { signal: 'SIGKILL', milliseconds: 500 },
  ] as const
  for (const { signal, milliseconds } of escalation) {
    child.kill(signal)
    if (await endsWithin(exited, milliseconds)) return
  }
  throw new StartError(`PostgreSQL (process ${child.pid}) does not end; end it with "kill -9 ${child.pid}".`)
}

async function endsWithin(exited: Promise<Exit>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController()
  const timeout = wait(milliseconds, false, { signal: timer.signal }).catch(() => false)
  const ended = await Promise.race([exited.then(() => true), timeout])
  timer.abort()
  return ended
}
