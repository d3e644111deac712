/** An apt repository server on 127.0.0.1 that can be republished, stopped and stalled. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { promisify } from 'node:util'
import { buildPackages, type DebianPackage } from './debian-package.ts'

const execute = promisify(execFile)

export type Publication = {
  packages?: DebianPackage[]
  /** Index entries of packages that have no file. */
  described?: string[]
  /** As apt shows it in `Label:Version/Suite`; default `Test`. */
  label?: string
  /** Default `stable`. */
  suite?: string
  /** What `Last-Modified` says, the age of the metadata; each publication needs a later second. */
  publishedAt?: Date
}

/** Serves the repositories published under `folder`, each at `/<name>`. */
export async function serveRepositories(folder: string, arch: string) {
  const modified = new Map<string, Date>()
  const held = new Set<ServerResponse>()
  let stalled = false
  let publications = 0
  const asked: (() => void)[] = []

  const server = createServer(async (request, response) => {
    for (const tell of asked.splice(0)) tell()
    if (stalled) {
      held.add(response)
      return
    }
    const path = normalize(decodeURIComponent(request.url ?? '/'))
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

    /** Replaces the repository `name`. */
    async publish(name: string, publication: Publication): Promise<void> {
      const root = join(folder, name)
      await rm(root, { recursive: true, force: true })
      const suite = publication.suite ?? 'stable'
      const index = join('dists', suite, 'main', `binary-${arch}`)
      await mkdir(join(root, index), { recursive: true })
      await buildPackages(publication.packages ?? [], join(root, 'pool'))
      const options = { cwd: root, maxBuffer: 64 * 1024 * 1024 }
      const described = await execute('apt-ftparchive', ['packages', 'pool'], options)
      const packages = [described.stdout, ...(publication.described ?? [])].join('\n')
      await writeFile(join(root, index, 'Packages'), packages)
      const fields = { Label: publication.label ?? 'Test', Suite: suite, Codename: suite, Components: 'main' }
      const settings = Object.entries({ ...fields, Architectures: arch }).flatMap(([field, value]) => [
        '-o',
        `APT::FTPArchive::Release::${field}=${value}`,
      ])
      const release = await execute('apt-ftparchive', [...settings, 'release', join('dists', suite)], options)
      await writeFile(join(root, 'dists', suite, 'Release'), release.stdout)
      // If-Modified-Since knows whole seconds only: publications of one second would look unchanged.
      publications += 1
      modified.set(name, publication.publishedAt ?? new Date(Date.now() - 86_400_000 + publications * 10_000))
    },

    /** The size in bytes of a published package file. */
    async size(name: string, file: string): Promise<number> {
      return (await stat(join(folder, name, 'pool', file))).size
    },

    /** The file stays in the index and is gone from the server. */
    lose: (name: string, file: string): Promise<void> => rm(join(folder, name, 'pool', file)),

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
