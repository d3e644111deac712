import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { eventReader, type StreamEvent } from '../../../bench/simulator/event-stream.ts'
import { Histogram } from '../../../bench/simulator/histogram.ts'
import { Ledger } from '../../../bench/simulator/ledger.ts'
import { requireOpenFiles } from '../../../bench/simulator/open-files.ts'
import { readOptions, readSecret, runRange } from '../../../bench/simulator/options.ts'
import { writeOutputs } from '../../../bench/simulator/outputs.ts'
import type { Recorded } from '../../../bench/simulator/owner.ts'
import { seededRandom } from '../../../bench/simulator/random.ts'
import { outcomes, verify } from '../../../bench/simulator/verify.ts'

const folder = mkdtempSync(join(tmpdir(), 'patchbase-sim-test-'))
const outputs = writeOutputs(join(folder, 'outputs'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the check at the end', () => {
  const good = (): { ledger: Ledger; recorded: Recorded[] } => {
    const ledger = new Ledger()
    ledger.created(['one', 'two'], 0)
    const recorded = ['one', 'two'].map((id) => {
      ledger.reached('claimed', id)
      ledger.started(id)
      ledger.reached('done', id)
      const exit_code = outputs.exitCodeOf(id)
      return { id, agent_id: 'a', status: exit_code > 2 ? 'failed' : 'completed', outcome: '', exit_code }
    })
    return { ledger, recorded }
  }

  it('finds nothing where all is well', () => {
    const { ledger, recorded } = good()
    expect(verify(recorded, ledger, outputs)).toEqual([])
  })

  it.each<[string, (world: { ledger: Ledger; recorded: Recorded[] }) => void, string]>([
    ['a lost operation', ({ recorded }) => recorded.pop(), '1 operations were accepted and are gone: two.'],
    ['an open one', ({ recorded }) => Object.assign(recorded[0] ?? {}, { status: 'running' }), 'no outcome'],
    ['two runs of one script', ({ ledger }) => ledger.started('one'), 'started more than once: one.'],
    [
      'another exit code',
      ({ recorded }) => Object.assign(recorded[1] ?? {}, { exit_code: 77 }),
      'another exit code than their script: two.',
    ],
    [
      'a completed one that never ran',
      ({ ledger, recorded }) => {
        ledger.created(['new'], 0)
        recorded.push({ id: 'new', agent_id: 'a', status: 'completed', outcome: '', exit_code: 0 })
      },
      'never ran: new.',
    ],
    [
      'one nobody was told of',
      ({ recorded }) =>
        recorded.push({ id: 'x', agent_id: 'a', status: 'expired', outcome: '', exit_code: null }),
      'never accepted: x.',
    ],
    ['a row twice', ({ recorded }) => recorded.push(recorded[0] as Recorded), 'listed more than once'],
    [
      'a lost lease in place of the report',
      ({ recorded }) => Object.assign(recorded[0] ?? {}, { status: 'failed', outcome: 'lease_lost' }),
      'count as lost: one.',
    ],
    [
      'a script that no trusted key has signed',
      ({ ledger, recorded }) => {
        ledger.created(['new'], 0)
        const outcome = 'bad_signature'
        recorded.push({ id: 'new', agent_id: 'a', status: 'failed', outcome, exit_code: null })
      },
      'had a script that their host refused: new.',
    ],
  ])('notices %s', (_, plant, sentence) => {
    const world = good()
    plant(world)
    expect(verify(world.recorded, world.ledger, outputs).join('\n')).toContain(sentence)
  })

  it('counts what became of them', () => {
    const operation = (status: string, outcome: string, exit_code: number | null) => ({
      ...{ id: status + exit_code, agent_id: 'a', status, outcome, exit_code },
    })
    const all = [
      operation('completed', '', 0),
      operation('failed', '', 104),
      operation('failed', 'timeout', null),
    ]
    expect(outcomes(all)).toEqual({ completed: 1, 'failed: exit 104': 1, 'failed: timeout': 1 })
  })
})

describe('the ledger', () => {
  it('counts an event that came before the answer to the order, and each step once', () => {
    const ledger = new Ledger()
    ledger.reached('heard', 'one', 130)
    ledger.created(['one'], 100)
    ledger.reached('heard', 'one', 900)
    ledger.reached('claimed', 'one', 200)
    expect(ledger.latencies().heard).toMatchObject({ count: 1, max: 30 })
    expect(ledger.latencies().claimed).toMatchObject({ count: 1, max: 100 })
    expect(ledger.counts()).toEqual({ created: 1, heard: 1, listed: 0, claimed: 1, done: 0 })
    expect(ledger.open()).toEqual(['one'])
  })
})

describe('percentiles', () => {
  it('are at most a twentieth too high, and the largest is exact', () => {
    const histogram = new Histogram()
    for (let ms = 1; ms <= 1000; ms++) histogram.add(ms)
    const { count, p50, p99, max } = histogram.percentiles()
    expect([count, max]).toEqual([1000, 1000])
    expect(p50).toBeGreaterThanOrEqual(500)
    expect(p50).toBeLessThanOrEqual(500 * 1.06)
    expect(p99).toBeGreaterThanOrEqual(990)
    expect(new Histogram().percentiles()).toMatchObject({ count: 0, p99: 0 })
  })
})

describe('the event reader', () => {
  it('reads events however they are cut', () => {
    const text = ':\n\nid:1\nevent:PB_CONNECT\ndata:{"a":1}\n\n: x\n\nid: 2\nevent: t\ndata: a\ndata: b\n\n'
    for (const size of [1, 3, 7, text.length]) {
      const events: StreamEvent[] = []
      const read = eventReader((event) => events.push(event))
      for (let at = 0; at < text.length; at += size) read(text.slice(at, at + size))
      expect(events).toEqual([
        { id: '1', event: 'PB_CONNECT', data: '{"a":1}' },
        { id: '2', event: 't', data: 'a\nb' },
      ])
    }
  })
})

describe('the command line', () => {
  it('has defaults', () => {
    expect(readOptions([])).toMatchObject({ agents: 1000, scenario: 'patch', chaos: false, batch: 50 })
    expect(runRange('0.5..5')).toEqual([500, 5000])
    expect(runRange('2')).toEqual([2000, 2000])
  })

  it.each([
    [['--agents', '0'], '--agents'],
    [['--agent', '5'], '--agent'],
    [['--scenario', 'storm'], '--scenario'],
    [['--run-seconds', 'long'], '--run-seconds'],
    [['--scenario', 'reconnect', '--server', 'http://h'], 'reconnect kills the server'],
    [['--server', 'http://h'], '--user'],
    [['--server', 'http://h', '--user', 'a@b.co'], '--password-file'],
    [['--user', 'a@b.co'], '--server'],
    [['--server', 'http://h', '--token-file', '-', '--profile', '/tmp'], 'profiled'],
  ])('refuses %j', (argv, words) => {
    expect(() => readOptions(argv)).toThrow(words)
  })

  it('takes secrets from files', () => {
    const file = join(folder, 'secret')
    writeFileSync(file, 'correct horse\n')
    expect(readSecret('password-file', file)).toBe('correct horse')
    writeFileSync(file, '\n')
    expect(() => readSecret('password-file', file)).toThrow('is empty')
    expect(() => readSecret('token-file', join(folder, 'none'))).toThrow('--token-file')
  })

  it('says the command where too few files may be open', () => {
    const limits = (count: string) => `Max open files            ${count}     ${count}    files`
    expect(() => requireOpenFiles(5000, limits('1024'))).toThrow('ulimit -n 10300')
    requireOpenFiles(5000, limits('10300'))
    requireOpenFiles(5000, limits('unlimited'))
  })
})

it('the same seed gives the same numbers', () => {
  const [a, b, other] = [seededRandom(7), seededRandom(7), seededRandom(8)]
  const numbers = Array.from({ length: 1000 }, a)
  expect(numbers).toEqual(Array.from({ length: 1000 }, b))
  expect(numbers).not.toEqual(Array.from({ length: 1000 }, other))
  const mean = numbers.reduce((sum, number) => sum + number, 0) / 1000
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.05)
})
