import { describe, expect, it } from 'vitest'
import { gather } from '../../../core/db/gather.ts'

type Row = { id: string; value: number }

/** A reader whose statements end when the test says so. */
function reader() {
  const statements: { ids: string[]; end(rows: Row[]): void; fail(error: Error): void }[] = []
  let arrived = () => undefined as unknown
  const read = gather<Row>(
    (ids) =>
      new Promise((end, fail) => {
        statements.push({ ids, end, fail })
        arrived()
      }),
  )
  /** The statement of that number, as soon as it is sent. */
  const statement = async (at: number) => {
    while (!statements[at])
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
    return statements[at]
  }
  return { read, statement, statements }
}

describe('rows asked for by id', () => {
  it('at the same time are read by one statement, each id once', async () => {
    const { read, statement } = reader()
    const answers = Promise.all([read('a'), read('b'), read('a'), read('gone')])
    const { ids, end } = await statement(0)
    expect(ids).toEqual(['a', 'b', 'gone'])
    end([
      { id: 'b', value: 2 },
      { id: 'a', value: 1 },
    ])
    const [a, b, again, gone] = await answers
    expect([a, b, again, gone]).toEqual([
      { id: 'a', value: 1 },
      { id: 'b', value: 2 },
      { id: 'a', value: 1 },
      undefined,
    ])
    expect(again).not.toBe(a)
  })

  it('are never answered by a statement that was sent before the question', async () => {
    const { read, statement } = reader()
    const before = read('a')
    const first = await statement(0)
    const after = read('a')
    first.end([{ id: 'a', value: 1 }])
    expect(await before).toEqual({ id: 'a', value: 1 })
    const second = await statement(1)
    second.end([{ id: 'a', value: 2 }])
    expect(await after).toEqual({ id: 'a', value: 2 })
  })

  it('all fail with their statement, and the next one is sent nevertheless', async () => {
    const { read, statement } = reader()
    const lost = Promise.allSettled([read('a'), read('b')])
    const first = await statement(0)
    const next = read('a')
    first.fail(new Error('The connection is gone.'))
    for (const answer of await lost) expect(answer).toMatchObject({ status: 'rejected' })
    const second = await statement(1)
    second.end([{ id: 'a', value: 1 }])
    expect(await next).toEqual({ id: 'a', value: 1 })
  })
})
