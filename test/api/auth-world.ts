import { type MailServer, startMailServer } from '../support/mail-server.ts'
import { type Answer, PASSWORD, startTestServer, type TestServer } from '../support/server.ts'
import { testClock } from './world.ts'

export type AuthWorld = {
  server: TestServer
  mail: MailServer
  time: ReturnType<typeof testClock>
  /** A call below `/api/collections/`. */
  post(path: string, body?: unknown, token?: string): Promise<Answer>
  /** A new user; the address is his alone. */
  newUser(): Promise<{ id: string; email: string; token: string }>
  /** Whether the token still is somebody. */
  isAlive(token: string, collection?: string): Promise<boolean>
  /** Whether that pair signs in. */
  signsIn(email: string, password?: string): Promise<boolean>
  read(id: string): Promise<Record<string, unknown>>
  [Symbol.asyncDispose](): Promise<void>
}

let made = 0

/** A server that can mail, in a time of its own. */
export async function startAuthWorld(env: Record<string, string> = {}): Promise<AuthWorld> {
  const mail = await startMailServer()
  // From now on: the SDK looks at the real clock, too.
  const time = testClock(new Date().toISOString())
  const settings = {
    PATCHBASE_SMTP_URL: mail.url,
    PATCHBASE_MAIL_FROM: 'Base <base@example.com>',
    ...env,
  }
  const server = await startTestServer({ clock: time.clock, env: settings })
  const { call } = server
  const post: AuthWorld['post'] = (path, body = {}, token) =>
    call('POST', `/api/collections/${path}`, { body, token })
  const { app } = server.server
  return {
    server,
    mail,
    time,
    post,
    async newUser() {
      const email = `person${++made}@example.com`
      return { email, ...(await server.user(email)) }
    },
    isAlive: async (token, collection = 'users') =>
      (await post(`${collection}/auth-refresh`, {}, token)).status === 200,
    signsIn: async (email, password = PASSWORD) =>
      (await post('users/auth-with-password', { identity: email, password })).status === 200,
    async read(id) {
      const [row] = await app.database.run('select * from "users" where "id" = $1', [id])
      return row ?? {}
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await mail[Symbol.asyncDispose]()
    },
  }
}
