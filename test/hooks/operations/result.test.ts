import { describe, expect, it } from 'vitest'
import { unstorable } from '../../../core/storable.ts'
import { LISTS } from '../../../hooks/operations/result.ts'
import { entry, printedResult, stored } from './printed.ts'

const line = (value: unknown) => `=== readable ===\n${JSON.stringify(value)}\n`
const resultOf = async (value: unknown) => (await stored(line(value))).result
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const MB = 1_048_576

/** Every text that stands anywhere in it. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(texts)
}
/** What may be shown on a terminal or a page, and kept by the database, at a bounded price. */
function expectHarmless(result: unknown) {
  expect(unstorable(result)).toBeUndefined()
  for (const text of texts(result)) expect(text).not.toMatch(UNSEEN)
  expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThanOrEqual(600_000)
}

describe('a result', () => {
  it('as the scripts print it is kept as it is, without a note', async () => {
    const failed = entry('curl', { state: 'half-configured', security: null, size: null })
    const replacing = entry('new-name', { replaces: ['old-name'], repository: null })
    const printed = printedResult([entry('nginx'), replacing], {
      excluded: [entry('linux-image-amd64')],
      held: [entry('vim', { security: false })],
      upgraded: [entry('lib', { current_version: null, new_dependency: true })],
      failed: [failed],
      exclusions: ['linux-*', 'g++'],
      warnings: ['One.'],
      reboot_required: true,
      reboot_reason: 'A newer kernel is installed: 6.1.0-22-amd64.',
      services_to_restart: ['nginx.service'],
      error: 'Größe “x”',
    })
    expect(await resultOf(printed)).toEqual(printed)
  })

  it('of a script that says less has null and empty lists for the rest', async () => {
    expect(await resultOf({ updates_available: 3 })).toEqual({
      ...{ updates_available: 3, packages: [], excluded: [], held: [], upgraded: [], failed: [] },
      ...{ dry_run: null, exclusions: null, warnings: null, reboot_required: null, reboot_reason: null },
      ...{ services_to_restart: null, execution_time: null, evidence: null, error: null },
    })
  })

  it('is none where the last line is none', async () => {
    for (const output of [
      '',
      '\n',
      'done\n',
      '[1]\n',
      '"{}"\n',
      'null\n',
      '12',
      '{"updates_available":3}\nbye\n',
    ])
      expect(await stored(output), output).toMatchObject({ result: null, refusal: undefined })
    for (const output of ['{', '{"updates_available": 3', '{} {}', "{'a':1}", '{"a":NaN}', '{"a":01}', '{,}'])
      expect((await stored(output)).refusal, output).toMatch(/begins like JSON and is none/)
  })

  it('is read with any end of the line, and from behind any amount of output', async () => {
    for (const end of ['', '\n', '\r\n', '\n\n  \n'])
      expect((await stored(`{"updates_available":1}${end}`)).result?.updates_available).toBe(1)
    const output = Buffer.concat([Buffer.alloc(20 * MB, 'x\n'), Buffer.from('{"updates_available":1}\n')])
    expect((await stored(output)).result?.updates_available).toBe(1)
    const longer = JSON.stringify(printedResult(Array.from({ length: 600 }, (_, at) => entry(`p${at}`))))
    expect(longer.length).toBeGreaterThan(65_536)
    expect((await stored(`before\n${longer}`)).result?.packages).toHaveLength(600)
    expect((await stored(longer)).result?.packages).toHaveLength(600)
  })

  it('drops what it does not know, and __proto__ with it', async () => {
    const hostile = `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"extra":[[["x"]]],
      "updates_available":1,"evidence":{"refreshed":true,"__proto__":{"polluted":1},"more":1},
      "packages":[{"package":"a","new_version":"1","__proto__":{"polluted":1},"onclick":"x"}]}`
    const { result } = await stored(hostile.replaceAll('\n', ' '))
    expect(JSON.stringify(result)).not.toMatch(/polluted|extra|onclick|more/)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(result?.packages).toHaveLength(1)
  })

  it('takes the last of two equal keys, like every reader of JSON', async () => {
    const { result } = await stored('{"updates_available":1,"updates_available":"<b>"}')
    expect(result).toMatchObject({
      updates_available: null,
      note: expect.stringContaining('updates_available'),
    })
  })

  it('with wrong types says what it left out', async () => {
    const names = [
      ...['updates_available', 'dry_run', 'exclusions', 'warnings', 'reboot_required', 'reboot_reason'],
      ...['services_to_restart', 'execution_time', 'evidence', 'error', ...LISTS],
    ]
    for (const wrong of ['3', -1, 1.5, true, {}, [[]], [{}], [1], 1e308])
      for (const name of names) {
        const result = await resultOf({ [name]: wrong })
        expectHarmless(result)
        const kept = result?.[name as 'error'] as unknown
        if (kept === null || (Array.isArray(kept) && kept.length === 0))
          expect(result?.note, `${name} ${JSON.stringify(wrong)}`).toContain(name)
        else expect(JSON.stringify(kept), `${name} ${JSON.stringify(wrong)}`).toBe(JSON.stringify(wrong))
      }
    for (const number of ['1e999', '-1', '-0.5', '0.5', '1000001', '99999999999999999999'])
      expect((await stored(`{"updates_available":${number}}`)).result?.updates_available, number).toBeNull()
    for (const age of ['-1', '"1"', '1e999', '[]', 'true'])
      expect(
        (await stored(`{"evidence":{"refreshed":true,"newest_metadata_age_seconds":${age}}}`)).result,
        age,
      ).toMatchObject({ evidence: null, note: expect.stringContaining('evidence') })
  })

  it('leaves out and counts what is no package', async () => {
    const wrong = [
      ...[
        '-nginx',
        '../../etc/passwd',
        'a b',
        'a;reboot',
        '$(reboot)',
        'a\nb',
        '',
        'ａ',
        'x'.repeat(256),
        '*',
        'a*',
      ],
      ...[null, 5, ['a'], { a: 1 }, true],
    ].map((name) => entry(name as string))
    const versions = ['', ' ', '1\u001b[31m', '1 2', 'x'.repeat(256), 5, null, ['1'], '１'].map(
      (new_version) => entry('a', { new_version }),
    )
    const current = ['1 2', 5, ['1'], {}].map((current_version) => entry('a', { current_version }))
    const others = [null, 5, 'nginx', [], ['nginx'], entry('a', { arch: 'a b' }), entry('a', { arch: 5 })]
    const packages = [entry('good'), ...wrong, ...versions, ...current, ...others]
    const { result, printed } = await stored(line({ updates_available: packages.length, packages }))
    expect(result?.packages.map((one) => one.package)).toEqual(['good'])
    expect(result?.note).toContain(`${packages.length - 1} of "packages"`)
    expect(printed).toMatchObject({ packages: packages.length, updates: packages.length })
  })

  it('keeps a package whose description is odd, without it', async () => {
    const odd = {
      repository: 5,
      security: 'yes',
      size: -1,
      new_dependency: 'no',
      replaces: ['-x'],
      state: [],
    }
    const result = await resultOf({
      packages: [entry('a', odd), entry('b', { size: 1e300, current_version: '' })],
    })
    const bare = { repository: null, security: null, size: null, new_dependency: false }
    expect(result?.packages).toEqual([
      { ...entry('a'), ...bare },
      entry('b', { size: null, current_version: null }),
    ])
  })
})

describe('hostile text in a result', () => {
  it('is shown as text: no colours, no control or unseen characters, no half of a pair, one line', async () => {
    const hostile =
      'a\u001b[31mred\u001b[0m \u001b]0;title\u0007b\u001b]8;;http://x\u001b\\c \u009b2J\u0000\u0007\u007f ' +
      'd\u202egnp.exe\u2066\u200b\u200f\ufeff\u061c e\r\nf\u2028g\ud800h\udfff \u001b \u001bc'
    const packages = [entry('a', { repository: hostile, state: hostile })]
    const said = {
      reboot_reason: hostile,
      error: hostile,
      warnings: [hostile],
      services_to_restart: [hostile],
    }
    const evidence = { refreshed: false, refresh_error: hostile, manager: hostile, manager_version: hostile }
    const result = await resultOf({ packages, ...said, evidence })
    expectHarmless(result)
    expect(result?.error).toMatch(/^ared bc 2J dgnp\.exe {1,2}e f g\ufffdh\ufffd$/u)
    // As escapes of JSON, and as the bytes themselves.
    const raw = Buffer.concat([
      Buffer.from('{"error":"x'),
      Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ])
    expectHarmless((await stored(raw)).result)
  })

  it('is cut to what somebody would read', async () => {
    const long = 'é'.repeat(100_000)
    const result = await resultOf({
      ...{ error: long, reboot_reason: long, warnings: Array(500).fill(long.slice(0, 1100)) },
      evidence: { refreshed: true, manager: long },
      packages: [entry('a', { repository: long })],
    })
    expect(result?.error?.length).toBe(10_000)
    expect(result?.reboot_reason?.length).toBe(500)
    expect(result?.warnings).toHaveLength(100)
    expect(result?.evidence?.manager?.length).toBe(50)
    expect(result?.packages[0]?.repository?.length).toBe(255)
  })
})

describe('too much of a result', () => {
  const packages = (count: number) => Array.from({ length: count }, (_, at) => entry(`package-${at}`))
  /** Some 30 ms for most, 80 for the worst; the collector of garbage works beside. */
  const CPU_MS_MAX = 400

  it('is cut to 5,000 packages in a list, with a note', async () => {
    const bare = Array.from({ length: 6000 }, (_, at) => ({ package: `p${at}`, new_version: '1' }))
    const { result, printed } = await stored(line({ updates_available: 6000, packages: bare }))
    expect(result?.note).toContain('"packages" is cut to the first 5000 of 6000.')
    expect(printed).toMatchObject({ packages: 6000, updates: 6000 })
    expectHarmless(result)
  })

  it('is no 5,000 upgraded packages: they are judged whole, and kept as far as there is room', async () => {
    const all = packages(5000)
    const { result, printed } = await stored(line(printedResult(all, { upgraded: all })))
    expect(printed).toMatchObject({ packages: 5000, upgraded: 5000, updates: 5000 })
    expect(result?.updates_available).toBe(5000)
    expect(result?.note).toMatch(/^Lists are cut to their first \d+, to be kept; the log has them whole\.$/)
    expect(result?.packages.length).toBe(result?.upgraded.length)
    expect(result?.packages.length).toBeGreaterThan(500)
    expectHarmless(result)
  })

  it('in one line, in depth or in values is refused before it is parsed, and costs some milliseconds', async () => {
    const fill = (head: string, item: string, tail: string, bytes: number) =>
      head + `${item},`.repeat(Math.floor((bytes - head.length - tail.length) / (item.length + 1))) + tail
    const cases: [string, string, RegExp][] = [
      ['a long line', line(printedResult(packages(20_000))), /longer than/],
      ['20,000 levels', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /16 levels/],
      ['20,000 objects deep', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, /16 levels/],
      ['levels in a known place', `{"packages":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /16 levels/],
      ['opened and never closed', `{"a":${'['.repeat(1.5 * MB)}`, /16 levels/],
      ['empty objects', fill('{"packages":[', '{}', '1]}', 3 * MB), /lists and objects/],
      ['keys', fill('{', '"a":1', '"b":1}', 3 * MB), /keys/],
      ['256 MB without an end of line', 'x'.repeat(256 * MB), /longer than/],
      ['256 MB of JSON', `{"error":"${'x'.repeat(200 * MB)}"}`, /longer than/],
    ]
    for (const [name, output, why] of cases) {
      const { result, refusal, cpuMs } = await stored(output)
      expect({ name, result, refusal }).toEqual({ name, result: null, refusal: expect.stringMatching(why) })
      expect(cpuMs, name).toBeLessThan(CPU_MS_MAX)
    }
  })

  it('that may be parsed blocks nobody for long, whatever it is made of', async () => {
    const size = 3 * MB - 100
    const times = (item: string, count: number) => Array(Math.floor(count)).fill(item).join(',')
    const keys = Array.from({ length: 149_000 }, (_, at) => `"${at.toString(36)}":1`).join(',')
    const cases: Record<string, string> = {
      'a megabyte of packages': line(printedResult(packages(4700))),
      'malformed packages': `{${LISTS.map((name) => `"${name}":[${times('{"package":"-"}', 5000)}]`).join(',')}}`,
      'texts for packages': `{"packages":[${times('""', size / 3)}]}`,
      'texts for names': `{"exclusions":[${times('""', size / 6)}],"warnings":[${times('"a"', size / 9)}]}`,
      'names replaced': `{"packages":[{"package":"a","new_version":"1","replaces":[${times('"a"', size / 5)}]}]}`,
      numbers: `{"services_to_restart":[${times('1', size / 3)}]}`,
      keys: `{${keys}}`,
      escapes: `{"error":"${'\\u001b]'.repeat(size / 8)}"}`,
      sequences: `{"error":"${'\\u001b['.repeat(1600)}${'1;'.repeat(size / 3)}"}`,
      'brackets in a text': `{"error":"${'[{'.repeat(size / 3)}"}`,
      backslashes: `{"error":"${'\\\\'.repeat(size / 3)}"}`,
    }
    for (const [name, output] of Object.entries(cases)) {
      const { result, refusal, cpuMs } = await stored(output)
      expect(refusal, name).toBeUndefined()
      expectHarmless(result)
      expect(cpuMs, name).toBeLessThan(CPU_MS_MAX)
    }
  })
})

describe('any output at all', () => {
  /** The same numbers at every run, so that a failure comes again. */
  function random(seed: number) {
    let state = seed
    return (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
  }
  const ODD = [
    ...[
      null,
      true,
      false,
      0,
      -0,
      -1,
      1.5,
      1e308,
      5e-324,
      2 ** 53,
      '',
      '0',
      '\u0000',
      '\u001b[2J',
      '\ud800',
      '\u202e',
    ],
    ...[
      '__proto__',
      'x'.repeat(300),
      'nginx',
      '1.0',
      [],
      {},
      [null],
      [[]],
      { package: 'a' },
      { refreshed: true },
    ],
  ]

  it('is kept harmlessly or not at all, and never an error', async () => {
    const pick = random(4)
    const names = Object.keys(printedResult())
    const fields = Object.keys(entry('a'))
    const odd = () => ODD[pick(ODD.length)]
    for (let round = 0; round < 600; round++) {
      const value: Record<string, unknown> = printedResult()
      for (let changes = pick(5); changes >= 0; changes--) {
        const list = LISTS[pick(LISTS.length)] as string
        const turn = pick(4)
        if (turn === 0) value[names[pick(names.length)] as string] = odd()
        else if (turn === 1) value[list] = Array.from({ length: pick(4) }, odd)
        else if (turn === 2) value[list] = [entry('a', { [fields[pick(fields.length)] as string]: odd() })]
        else
          value.evidence = {
            ...(value.evidence as object),
            [['refreshed', 'manager'][pick(2)] as string]: odd(),
          }
      }
      let text = JSON.stringify(value)
      // Now and then a broken byte, a missing one, or one too many.
      if (pick(3) === 0) {
        const at = pick(text.length)
        text = text.slice(0, at) + ['', '"', '{', '\\', '\u0000', ']]'][pick(6)] + text.slice(at + pick(3))
      }
      const { result, refusal } = await stored(text)
      expect(result === null).toBe(
        refusal !== undefined || !text.trimEnd().split('\n').at(-1)?.startsWith('{'),
      )
      expectHarmless(result)
    }
  })
})
