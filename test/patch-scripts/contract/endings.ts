/** Runs that do not come to their end by themselves. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { Family } from '../../support/hosts/family.ts'
import { gated, names, reportOf, said, usual } from './run.ts'

export function testEndings(family: Family): void {
  test('SIGTERM to the whole group during a transaction lets it end and leaves nothing behind', async () => {
    await using it = await gated(family)
    const holds = await it.holdState()
    const child = it.start(['--exclude', 'pb-alpha'])
    const ended = it.host.finished(child)
    await it.configuring()
    process.kill(-(child.pid ?? 0), 'SIGTERM')
    expect(await it.atWork()).not.toEqual([])
    await it.open()
    const result = await ended
    const report = reportOf(result)
    expect(report.error).toBe(null)
    expect(result.code).toBe(0)
    expect(names(report.upgraded)).toEqual(['pb-gate'])
    expect(result.stdout).toContain('SIGTERM came during the installation')
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-gate': '2.0' }))
    expect(await it.holdState()).toEqual(holds)
    expect(await it.atWork()).toEqual([])
  })

  test('SIGTERM before the transaction stops at once with 108', async () => {
    await using it = await usual(family)
    const holds = await it.holdState()
    const { asked } = it.host.repositories.stall()
    const child = it.start(['--exclude', 'pb-alpha'])
    const ended = it.host.finished(child)
    await asked
    child.kill('SIGTERM')
    const result = await ended
    expect(result.code).toBe(108)
    expect(reportOf(result).error).toContain('SIGTERM')
    expect(await it.host.versions()).toEqual(it.expected({}))
    expect(await it.holdState()).toEqual(holds)
    expect(await it.atWork()).toEqual([])
  })

  test('SIGTERM while somebody else holds the lock stops at once with 108', async () => {
    await using it = await usual(family)
    const holder = await it.host.lock()
    const child = it.start([])
    const ended = it.host.finished(child)
    await said(child, 'Waiting for another')
    child.kill('SIGTERM')
    const result = await ended
    expect(result.code).toBe(108)
    holder.stdin?.end()
    await once(holder, 'exit')
    expect(await it.host.versions()).toEqual(it.expected({}))
    expect(await it.atWork()).toEqual([])
  })

  test('SIGKILL leaves no marks, and the transaction it left ends by itself', async () => {
    await using it = await gated(family)
    const holds = await it.holdState()
    const child = it.start(['--exclude', 'pb-alpha'])
    await it.configuring()
    child.kill('SIGKILL')
    await once(child, 'exit')
    const left = [...(await it.host.processes())].filter(([, name]) => family.traits.processes.test(name))
    expect(left).not.toEqual([])
    await it.open()
    for (const [pid] of left) await it.host.must(['tail', '-s', '0.05', '-f', `--pid=${pid}`, '/dev/null'])
    const again = await it.patch(['--exclude', 'pb-alpha'])
    expect(again.code).toBe(2)
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-gate': '2.0' }))
    expect(await it.holdState()).toEqual(holds)
    expect((await it.host.run(['find', '/run', '-name', 'patchbase*'])).stdout).toBe('')
  })

  test('what a power cut left is repaired by the next run', async () => {
    await using it = await gated(family)
    const holds = await it.holdState()
    const child = it.start(['--exclude', 'pb-alpha'])
    await it.configuring()
    for (const pid of (await it.host.processes()).keys()) process.kill(pid, 'SIGKILL')
    await once(child, 'exit')
    // The package's script may be run again, or not: whoever asks is let through.
    await it.host.must(['rm', '/run/pb-started', '/run/pb-gate'])
    await it.host.write('/run/pb-gate', 'go\n')
    const { code, report } = await it.patch([])
    expect(report.error).toBe(null)
    expect(code).toBe(0)
    expect(await it.host.versions()).toEqual(it.expected({ 'pb-alpha': '2.0', 'pb-gate': '2.0' }))
    expect(await it.holdState()).toEqual(holds)
    expect((await it.patch(['--dry-run'])).code).toBe(2)
  })
}
