import { dirname } from 'node:path'
import { StartError } from '../../errors.ts'

/** What PostgreSQL or the system says, and what a person can do about it; the first that matches wins. */
const known: [RegExp, (path: string, match: RegExpMatchArray) => string][] = [
  [
    /No space left on device|ENOSPC|Check free disk space|Disk quota exceeded|EDQUOT/,
    (path) => `The disk that holds ${path} is full; free some space and start again.`,
  ],
  [
    /Read-only file system|EROFS/,
    (path) => `${path} is on a read-only file system; use another --data-dir or mount it writable.`,
  ],
  [
    /error while loading shared libraries: ([^:\s]+)/,
    (_, [, library]) =>
      `The PostgreSQL that npm brought does not run here because the library ${library} is missing; run "npm ci" again with install scripts allowed, install the library, or set DATABASE_URL to a PostgreSQL of your own.`,
  ],
  [
    /Cannot allocate memory|could not map anonymous shared memory|ENOMEM/,
    () =>
      'There is not enough free memory for PostgreSQL (it needs about 150 MB); free some and start again.',
  ],
  [
    /could not create shared memory segment|could not create semaphores/,
    () =>
      'The system has no shared memory or semaphores left for PostgreSQL; raise kernel.shmmni and kernel.sem.',
  ],
  [
    /lock file "([^"]+)" is empty/,
    (path, [, file]) =>
      `${path} holds an empty lock file left by a crash; check that no PostgreSQL uses it, remove ${file} there and start again.`,
  ],
  [
    /pre-existing shared memory block/,
    (path) =>
      `Processes of an earlier PostgreSQL on ${path} are still alive; end them (fuser ${path}) and start again.`,
  ],
  [
    /lock file "[^"]+" already exists/,
    (path) => `Another PostgreSQL runs on ${path}; stop it, or use another --data-dir.`,
  ],
  [
    /could not locate a valid checkpoint record|invalid checkpoint record|incorrect checksum in control file/,
    (path) => `The database files in ${path} are damaged; restore the data folder from a backup.`,
  ],
  [
    /has invalid permissions/,
    (path) => `${path} must be closed to everybody else; run "chmod 700 ${path}" and start again.`,
  ],
  [
    /spawn (\S+) ENOENT|failed to execute ([^:]+): No such file/,
    (_, [, spawned, executed]) =>
      `${spawned ?? executed} is missing, or made for another C library than this system's (it needs glibc); run "npm ci" again, or set DATABASE_URL to a PostgreSQL of your own.`,
  ],
  [
    /Permission denied|EACCES|Operation not permitted|EPERM|has wrong ownership|must be owned by/,
    (path) =>
      `The user that runs Patchbase may not use ${path}; give it that folder (chown -R), or use another --data-dir.`,
  ],
  [
    /ENOTDIR|EEXIST|Not a directory/,
    (path) => `${path} is not a folder; move it away, or use another --data-dir.`,
  ],
  [
    /EMFILE|ENFILE|Too many open files/,
    () => 'Too many files are open; raise the limit (ulimit -n) and start again.',
  ],
  [
    /EAGAIN|Resource temporarily unavailable/,
    () => 'The limit of processes of this user is reached; raise it (ulimit -u) and start again.',
  ],
]

/**
 * One sentence for a failed step. `said` is the program's output or the system error's message; `logged` is the
 * path and the last lines of PostgreSQL's log, kept under the sentence for the cases nobody foresaw.
 */
export function startFailure(
  step: string,
  said: string,
  path: string,
  options: { logged?: { path: string; lines: string[] }; cause?: unknown } = {},
): StartError {
  const words = said.trim()
  const sentence =
    firstKnown(words, path) ?? `${step} failed${words ? `: ${words.split('\n').at(-1)?.trim()}` : ''}.`
  const { logged } = options
  const tail = logged?.lines.length ? `\nThe last lines of ${logged.path}:\n${logged.lines.join('\n')}` : ''
  return new StartError(sentence + tail, { cause: options.cause })
}

function firstKnown(said: string, path: string): string | undefined {
  for (const [pattern, sentence] of known) {
    const match = said.match(pattern)
    if (match) return sentence(path, match)
  }
  return undefined
}

/** A file operation of ours, with its failure turned into a sentence that names the path it is about. */
export function onPath<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    const error = cause as NodeJS.ErrnoException
    throw startFailure(`Using ${path}`, error.message, namedPath(error, path), { cause })
  }
}

/** mkdir of a/b/c fails because of what is above it: that is the folder to name. */
const namedPath = (error: NodeJS.ErrnoException, path: string) =>
  error.syscall === 'mkdir' && error.path && error.code === 'EACCES' ? dirname(error.path) : path
