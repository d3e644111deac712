import { randomBytes } from 'node:crypto'
import { type Options, readSecret } from './options.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { firstAccount, type Owner, openOwner, signIn } from './owner.ts'

export type Reached = { url: string; owner: Owner; server?: OwnServer }

/** The server of this run and who owns the fleet on it. An own server ends with `parts`. */
export async function reachServer(
  options: Options,
  stopping: AbortController,
  parts: AsyncDisposableStack,
): Promise<Reached> {
  if (options.server) {
    const url = options.server.replace(/\/+$/, '')
    const file = options['token-file']
    const token = file
      ? readSecret('token-file', file)
      : await signIn(url, options.user ?? '', readSecret('password-file', options['password-file'] ?? ''))
    return { url, owner: openOwner(url, token) }
  }
  const server = parts.use(await startOwnServer(stopping, options.profile))
  const token = await firstAccount(server.url, server.setupUrl, randomBytes(18).toString('base64url'))
  return { url: server.url, owner: openOwner(server.url, token), server }
}
