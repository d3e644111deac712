import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { records, startWorld, testClock, type World } from './world.ts'

const time = testClock()
let world: World
beforeAll(async () => {
  world = await startWorld({ clock: time.clock })
})
afterAll(() => world.server[Symbol.asyncDispose]())

const EXCEPTIONS = records('package_exceptions')
const post = async (path: string, body: BodyInit, token?: string, type?: string) => {
  const headers = { ...(token && { authorization: token }), ...(type && { 'content-type': type }) }
  const answer = await fetch(world.server.url + path, { method: 'POST', body, headers })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}
const FORM = 'application/x-www-form-urlencoded'

describe('a form', () => {
  it('of a million values is refused before it is taken apart, and one of a thousand is read', async () => {
    const start = performance.now()
    const many = await post(EXCEPTIONS, 'a=1&'.repeat(1_000_000), world.a.token, FORM)
    expect(many).toMatchObject({ status: 413, text: expect.stringContaining('more than 1000 values') })
    expect(performance.now() - start).toBeLessThan(2000)
    const known = `agent_id=${world.a.agent.id}&package_name=x`
    const most = await post(EXCEPTIONS, `${known}${'&a=1'.repeat(998)}`, world.a.token, FORM)
    expect(most.status).toBe(200)
  })
})
