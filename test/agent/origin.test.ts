import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { originFetch, serverOrigin, urlOfPath } from '../../agent/origin.ts'

test('--server is an origin and nothing more', () => {
  expect(serverOrigin('https://patch.example.org/')).toBe('https://patch.example.org')
  expect(serverOrigin('http://127.0.0.1:8090')).toBe('http://127.0.0.1:8090')
  for (const bad of ['patch.example.org', 'ftp://x', 'https://u:p@x', 'https://x/api', 'https://x/?a=1'])
    expect(() => serverOrigin(bad), bad).toThrow(/--server/)
})

test.each(['https://evil.example/x', '//evil.example/x', '/\\evil.example/x', '\\\\evil.example', 'x/y', ''])(
  '%j is no path of the server',
  (path) => {
    expect(() => urlOfPath('https://patch.example.org', path)).toThrow(/asks no other server/)
  },
)

test('a path stays on the server', () => {
  expect(urlOfPath('https://a.example', '/api/files/s/1/x.sh').href).toBe(
    'https://a.example/api/files/s/1/x.sh',
  )
})

test('a redirect is an error that says where it led, and is not followed', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(307, { Location: 'https://evil.example/' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await expect(originFetch(origin)(`${origin}/x`)).rejects.toThrow(/redirects to https:\/\/evil.example/)
  await expect(originFetch(origin)('https://evil.example/')).rejects.toThrow(/Refused/)
  expect(asked).toEqual(['/x'])
  server.close()
})
