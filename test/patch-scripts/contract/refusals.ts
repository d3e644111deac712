/** What is refused before anything is done. */
import { afterAll, expect, test } from 'vitest'
import type { Family } from '../../support/hosts/family.ts'
import { reportOf, type Subject, usual } from './run.ts'

const HOSTILE: string[][] = [
  ['--exclude', 'a;reboot'],
  ['--exclude', '$(touch /run/owned)'],
  ['--exclude', '`touch /run/owned`'],
  ['--exclude', 'a b'],
  ['--exclude', 'a\nb'],
  ['--exclude', 'a,\n'],
  ['--exclude', '-a'],
  ['--exclude', 'a,-b'],
  ['--exclude', '*'],
  ['--exclude', 'a,*'],
  ['--exclude', '**'],
  ['--exclude', ''],
  ['--exclude', 'a,,b'],
  ['--exclude', 'a,'],
  ['--exclude', '../../etc/passwd'],
  ['--exclude', 'ä'],
  ['--exclude', 'a"b\\c\u0001'],
  ['--exclude', '!'.padStart(120_000, 'x')],
  ['--exclude', '--dry-run'],
  ['--exclude'],
  ['--only', 'a|b'],
  ['--only'],
  ['--repo', '$(touch /run/owned)'],
  ['--lock-timeout', 'soon'],
  ['--lock-timeout', '-1'],
  ['--lock-timeout'],
  ['--force'],
  ['dry-run'],
  [''],
]

export function testRefusals(family: Family): void {
  const { traits } = family
  const impossible = [
    ...(traits.security ? [] : [['--security']]),
    ...(traits.only ? [] : [['--only', 'pb-alpha']]),
    ...(traits.repo ? [] : [['--repo', 'main']]),
  ]

  /** One host for everything that must be refused: it is still as it was made in the end. */
  let refusing: Promise<{ it: Subject; before: Record<string, string> }> | undefined
  const refusals = () => {
    refusing ??= usual(family).then(async (it) => ({ it, before: await it.host.changes() }))
    return refusing
  }
  afterAll(async () => (await refusing)?.it[Symbol.asyncDispose]())

  test.for([...HOSTILE, ...impossible].map((args) => ({ args })))(
    '$args is refused before anything is done',
    async ({ args }, { expect }) => {
      const { it, before } = await refusals()
      const { code, stderr, report } = await it.patch([...args, '--dry-run'])
      expect(code).toBe(1)
      expect(stderr).not.toBe('')
      expect(`${report.error}\n`).toBe(stderr)
      expect(report).toMatchObject({
        updates_available: null,
        packages: [],
        evidence: { refreshed: false, manager: family.name },
      })
      expect(await it.host.changes()).toEqual(before)
      expect(it.host.repositories.requests).toEqual([])
    },
  )

  test('it must run as root', async () => {
    const { it, before } = await refusals()
    const nobody = ['setpriv', '--reuid', '65534', '--clear-groups']
    const result = await it.host.run([...nobody, family.script, '--dry-run'])
    expect(result.code).toBe(1)
    expect(reportOf(result).error).toBe('This script must run as root.')
    expect(await it.host.changes()).toEqual(before)
  })

  test('--help and --version say so and do nothing', async () => {
    const { it, before } = await refusals()
    const file = family.script.split('/').at(-1)
    expect((await it.host.run([family.script, '--help'])).stdout).toContain('--exclude A,B')
    const { code, stdout } = await it.host.run([family.script, '--version'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^${file} \\d+\\.\\d+\\.\\d+\n$`))])
    expect(await it.host.changes()).toEqual(before)
  })
}
