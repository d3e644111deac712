import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  type Stats,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AgentError, reasonOf } from './errors.ts'

const BYTES_MAX = 64 * 1024
const WRITABLE_BY_OTHERS = 0o022
/** In such a folder only a file's owner may exchange it. */
const STICKY = 0o1000

/**
 * The text of a file that only root, or the user the agent runs as, can have written; undefined where there is
 * none. Throws `AgentError` where anybody else could exchange it, and where it cannot be read. Links are not followed.
 */
export const readGuarded = (file: string): string | undefined => {
  try {
    return read(file)
  } catch (error) {
    if (error instanceof AgentError) throw error
    throw new AgentError(`${file} cannot be read: ${reasonOf(error)}.`)
  }
}

const read = (file: string): string | undefined => {
  if (!lstatSync(dirname(file), { throwIfNoEntry: false })) return undefined
  guardFolders(file)
  guardFolders(join(realpathSync(dirname(file)), basename(file)))
  const fd = open(file)
  if (fd === undefined) return undefined
  try {
    // Of what was opened, not of what may stand at this name by now.
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new AgentError(`${file} is no regular file.`)
    guard(file, stats)
    if (stats.size > BYTES_MAX) throw new AgentError(`${file} is larger than ${BYTES_MAX} bytes.`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

const open = (file: string): number | undefined => {
  try {
    // Not to wait for the writer of a pipe.
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw new AgentError(`${file} is a symbolic link; put the file itself there.`)
    throw error
  }
}

/** Who can write a folder on the way can put another one in its place. */
const guardFolders = (file: string) => {
  for (let folder = dirname(file), nearest = true; ; folder = dirname(folder), nearest = false) {
    const stats = lstatSync(folder)
    // A link has no rights of its own; where it leads is looked at by its real path.
    if (stats.isSymbolicLink() || (stats.mode & STICKY && !nearest)) guardOwner(folder, stats)
    else guard(folder, stats)
    if (folder === dirname(folder)) return
  }
}

const guard = (path: string, stats: Stats) => {
  guardOwner(path, stats)
  if (stats.mode & WRITABLE_BY_OTHERS)
    throw new AgentError(
      `${path} can be written by its group or by everybody; "chmod go-w ${path}" ends that.`,
    )
}

const guardOwner = (path: string, { uid }: Stats) => {
  const own = process.getuid?.() ?? 0
  if (uid === 0 || uid === own) return
  throw new AgentError(
    `${path} belongs to the user with id ${uid}; it must belong to root${own === 0 ? '' : ', or to the user of the agent'}.`,
  )
}
