/** Package repositories on 127.0.0.1 that can be republished, stopped and stalled. */
import { once } from 'node:events'
import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'

export type RepositoryServer = Awaited<ReturnType<typeof serveRepositories>>

/** Fills an empty folder. The date is the one under which the repository is published. */
export type BuildRepository = (folder: string, publishedAt: Date) => Promise<void>

/** Serves the repositories published under `folder`, each at `/<name>`. */
export async function serveRepositories(folder: string) {
  const modified = new Map<string, Date>()
  const held = new Set<ServerResponse>()
  let stalled = false
  let publications = 0
  const asked: (() => void)[] = []
  const requests: string[] = []

  const server = createServer(async (request, response) => {
    requests.push(request.url ?? '/')
    for (const tell of asked.splice(0)) tell()
    if (stalled) {
      held.add(response)
      return
    }
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    const at = modified.get(path.split('/')[1] ?? '')
    const file = await readFile(join(folder, path)).catch(() => undefined)
    if (!file || !at) {
      response.writeHead(404).end()
      return
    }
    const lastModified = at.toUTCString()
    if (request.headers['if-modified-since'] === lastModified) response.writeHead(304).end()
    else response.writeHead(200, { 'content-length': file.length, 'last-modified': lastModified }).end(file)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const stop = async () => {
    if (!server.listening) return
    server.close()
    for (const response of held) response.destroy()
    held.clear()
    server.closeAllConnections()
    await once(server, 'close')
  }

  return {
    url: (name: string) => `http://127.0.0.1:${port}/${name}`,
    /** The paths that were asked for, in order. */
    requests,

    /** Replaces the repository `name`. `publishedAt` is what `Last-Modified` says; each needs a later second. */
    async publish(name: string, build: BuildRepository, publishedAt?: Date): Promise<void> {
      const root = join(folder, name)
      await rm(root, { recursive: true, force: true })
      await mkdir(root, { recursive: true })
      // If-Modified-Since knows whole seconds only: publications of one second would look unchanged.
      publications += 1
      const at = publishedAt ?? new Date(Date.now() - 86_400_000 + publications * 10_000)
      await build(root, at)
      modified.set(name, at)
    },

    /** From now on the repository is not found, while the others are. */
    withdraw(name: string): void {
      modified.delete(name)
    },

    /** The size in bytes of a published file; `file` is relative to the repository. */
    async size(name: string, file: string): Promise<number> {
      return (await stat(join(folder, name, file))).size
    },

    /** The file stays in the index and is gone from the server. */
    lose: (name: string, file: string): Promise<void> => rm(join(folder, name, file)),

    /** From now on connections are refused. */
    stop,

    async start(): Promise<void> {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },

    /** From now on requests are accepted and never answered. Resolves at the first of them. */
    stall(): { asked: Promise<void> } {
      stalled = true
      const { promise, resolve } = Promise.withResolvers<void>()
      asked.push(resolve)
      return { asked: promise }
    },

    [Symbol.asyncDispose]: stop,
  }
}
