import { records, startWorld, type World } from './world.ts'

export const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/p1cJmQAAAABJRU5ErkJggg==',
  'base64',
)

type Body = Record<string, unknown>
type Content = string | Buffer

/** A world in which the first owner's own record has one file. */
export type FileWorld = World & {
  /** Sends a form with files and values to that record. */
  change(
    files: [Content, name: string][],
    values?: [string, string][],
  ): Promise<{ status: number; body: Body }>
  patch(body: Body): Promise<{ body: Body }>
  pathOf(name: unknown): string
  /** Uploads a file and answers its address. */
  store(content: Content, name: string): Promise<string>
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Response>
  onDisk(): Promise<string[]>
}

export async function startFileWorld(options: Parameters<typeof startWorld>[0] = {}): Promise<FileWorld> {
  const world = await startWorld(options)
  const { server, a } = world
  const record = records('users', a.id)
  const pathOf = (name: unknown) => `/api/files/users/${a.id}/${String(name)}`
  const change: FileWorld['change'] = async (files, values = []) => {
    const form = new FormData()
    for (const [name, value] of values) form.append(name, value)
    for (const [content, name] of files) form.append('avatar', new Blob([content]), name)
    const headers = { authorization: a.token }
    const answer = await fetch(server.url + record, { method: 'PATCH', headers, body: form })
    return { status: answer.status, body: (await answer.json()) as Body }
  }
  return {
    ...world,
    change,
    pathOf,
    patch: (body) => server.call('PATCH', record, { token: a.token, body }),
    store: async (content, name) => pathOf((await change([[content, name]])).body.avatar),
    get: (path, headers = {}, method = 'GET') =>
      fetch(server.url + path, {
        method,
        redirect: 'manual',
        headers: { authorization: a.token, ...headers },
      }),
    async onDisk() {
      const found: string[] = []
      for await (const { name } of server.server.app.files.entries()) found.push(name)
      return found
    },
  }
}
