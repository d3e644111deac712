import { userInfo } from 'node:os'
import { StartError } from '../../errors.ts'
import { type Account, missingProgram, runAs } from './child.ts'

/** PostgreSQL refuses to run as root, so under root it gets an account of its own. */
const dedicatedName = 'patchbase'

/** The account this process runs as. Throws StartError when its uid has no name, which peer authentication needs. */
export function serverAccount(): Account {
  try {
    const { username, uid, gid } = userInfo()
    return { name: username, uid, gid }
  } catch (cause) {
    throw new StartError(
      `The user id ${process.geteuid?.()} has no entry in /etc/passwd, and PostgreSQL cannot run without one; run Patchbase as a user that has one, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    )
  }
}

/** The account PostgreSQL runs as: the server's own, or under root a dedicated one, created when missing. */
export async function postgresAccount(server: Account): Promise<Account> {
  if (server.uid !== 0) return server
  const existing = await lookUp(server)
  if (existing) return existing
  const group = await runAs(server, 'getent', ['group', dedicatedName])
  const created = await runAs(server, 'useradd', [
    '--system',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
    ...(group.code === 0 ? ['--gid', dedicatedName] : ['--user-group']),
    dedicatedName,
  ])
  // Looked up whatever useradd said: two servers starting at once may both have tried.
  const account = await lookUp(server)
  if (account) return account
  throw new StartError(
    `PostgreSQL does not run as root and the system user "${dedicatedName}" could not be created (${created.stderr.trim() || `useradd ended with ${created.code}`}); create it yourself (useradd --system ${dedicatedName}), start Patchbase as an ordinary user, or set DATABASE_URL.`,
  )
}

/** `getent`, and not a parse of /etc/passwd: accounts may live in a directory service. */
async function lookUp(server: Account): Promise<Account | undefined> {
  const { code, stdout } = await runAs(server, 'getent', ['passwd', dedicatedName])
  if (code !== 0) return undefined
  const [name, , uid, gid] = stdout.trim().split(':')
  if (!name || !uid || !gid) throw missingProgram('getent')
  if (Number(uid) === 0)
    throw new StartError(
      `The system user "${dedicatedName}" has the user id 0, and PostgreSQL does not run as root; give it another id.`,
    )
  return { name, uid: Number(uid), gid: Number(gid) }
}
