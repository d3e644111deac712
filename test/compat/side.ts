import type { Step, Who } from './request.ts'

/** One of the two servers, and what is known of it alone. */
export type Side = {
  name: string
  url: string
  tokens: Map<Who, string>
  /** Answers by the names they were saved under, and the ids of people. */
  saved: Map<string, unknown>
}

export type Answer = { status: number; headers: Record<string, string>; body: unknown }

/** The headers in which the two must agree. */
const HEADERS = [
  ...['content-type', 'content-disposition', 'content-range', 'accept-ranges', 'cache-control', 'vary'],
  ...['content-security-policy', 'x-frame-options', 'x-content-type-options', 'x-xss-protection', 'allow'],
  ...['cross-origin-opener-policy', 'location', 'etag', 'access-control-allow-origin', 'retry-after'],
  ...['access-control-allow-methods', 'access-control-allow-headers', 'access-control-max-age'],
]

/** `$name` and `$name.key.0` by what this side has saved; what it has not stays as it is. */
export const filled = (side: Side, text: string): string =>
  text.replace(/\$([a-z]\w*)((?:\.\w+)*)/g, (all, name: string, path: string) => {
    let value = side.saved.get(name)
    for (const key of path.split('.').slice(1)) value = (value as Record<string, unknown> | undefined)?.[key]
    return value === undefined ? all : String(value)
  })

export async function exchange(side: Side, step: Step): Promise<Answer> {
  const fill = (text: string) => filled(side, text)
  const token = side.tokens.get(step.as)
  const headers = new Headers()
  if (token) headers.set('authorization', token)
  if (step.body !== undefined) headers.set('content-type', 'application/json')
  for (const [name, value] of Object.entries(step.headers ?? {})) {
    if (value === '') headers.delete(name)
    else headers.set(name, fill(value))
  }
  const response = await fetch(side.url + fill(step.path), {
    method: step.method,
    headers,
    redirect: 'manual',
    body: step.parts
      ? formOf(step, fill)
      : step.body === undefined
        ? undefined
        : Buffer.from(fill(step.body)),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  const body: unknown = isJson && text !== '' ? JSON.parse(text) : text
  if (step.save) side.saved.set(step.save, body)
  const named = HEADERS.map((name) => [name, response.headers.get(name)] as const)
  return {
    status: response.status,
    headers: Object.fromEntries(named.filter((entry): entry is [string, string] => entry[1] !== null)),
    body,
  }
}

function formOf({ parts = [] }: Step, fill: (text: string) => string): FormData {
  const data = new FormData()
  for (const part of parts) {
    if ('text' in part) data.append(part.name, fill(part.text))
    else
      data.append(
        part.name,
        new Blob([typeof part.content === 'string' ? part.content : new Uint8Array(part.content)]),
        part.file,
      )
  }
  return data
}
