import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { collectFacts, defaultInterface, identityDifferences, primaryAddress } from '../../agent/facts.ts'
import { version } from '../../agent/version.ts'

test('the facts of this machine are complete', () => {
  const facts = collectFacts()
  expect(facts).toMatchObject({ os_type: 'linux', version, capabilities: ['claim', 'reboot'] })
  expect(facts.hostname).not.toBe('')
  expect(facts.boot_id).toMatch(/^[0-9a-f-]{36}$/)
  expect(facts.kernel_version).not.toBe('')
  expect(facts.os_info).not.toBe('')
})

test("the agent's version is the package's", () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8')).version).toBe(version)
})

test('the default route with the lowest metric names the interface', () => {
  const route = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
  ].join('\n')
  expect(defaultInterface(route)).toBe('eth0')
  expect(defaultInterface('')).toBeUndefined()
})

test('the primary address is IPv4 of the default interface, else the next best', () => {
  const at = (name: string, address: string, family: string) => ({ interface: name, address, family })
  const [bridge, six, four] = [
    at('br0', '172.17.0.1', 'IPv4'),
    at('eth0', '2001:db8::1', 'IPv6'),
    at('eth0', '10.0.0.5', 'IPv4'),
  ]
  expect(primaryAddress([bridge, six, four], 'eth0')).toBe('10.0.0.5')
  expect(primaryAddress([bridge, six], 'eth0')).toBe('2001:db8::1')
  expect(primaryAddress([six, bridge], undefined)).toBe('172.17.0.1')
  expect(primaryAddress([], 'eth0')).toBe('')
})

test('only marks known on both sides can differ', () => {
  const enrolled = { machine_id: 'a', dmi_uuid: '' }
  expect(identityDifferences(enrolled, { machine_id: 'a', dmi_uuid: 'u' })).toEqual([])
  expect(identityDifferences(enrolled, { machine_id: '', dmi_uuid: '' })).toEqual([])
  expect(identityDifferences(enrolled, { machine_id: 'b', dmi_uuid: '' })).toEqual(['machine_id'])
})
