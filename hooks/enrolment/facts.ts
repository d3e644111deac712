import { z } from 'zod'
import { type Agent, GUARDS, POLICY_MODES } from '../../collections/agents.ts'
import { MANAGERS } from '../../collections/parts/platforms.ts'
import { familyOf } from './family.ts'

const text = (max: number) =>
  z
    .string()
    .transform((value) => value.replaceAll('\0', '').toWellFormed().slice(0, max))
    .optional()
    .catch(undefined)
const names = z.array(z.string().max(255)).max(100).optional().catch(undefined)

/** What an agent says of its host. Wrong types are left out: one bad fact must not hide the others. */
const Facts = z.object({
  hostname: text(255),
  os_type: text(100),
  os_info: text(255),
  os_version: text(100),
  platform_family: text(50),
  package_manager: text(50),
  package_manager_version: text(100),
  kernel_version: text(255),
  arch: text(50),
  primary_ip: text(45),
  all_ips: names,
  version: text(50),
  boot_id: text(100),
  // '' of an agent that trusts no key and runs nothing.
  key_guard: z
    .enum(['', ...GUARDS])
    .optional()
    .catch(undefined),
  policy_mode: z.enum(POLICY_MODES).optional().catch(undefined),
  capabilities: names,
})

const PLAIN = [
  'os_type',
  'os_info',
  'os_version',
  'package_manager_version',
  'kernel_version',
  'arch',
  'primary_ip',
  'all_ips',
  'version',
  'boot_id',
  'key_guard',
  'policy_mode',
  'capabilities',
] as const

/** Writes facts into the record; absent ones leave what was known. The hostname is the owner's to change. */
export function applyFacts(record: Agent, body: Readonly<Record<string, unknown>>): void {
  const facts = Facts.parse(body)
  // The reboot that was due has happened. A result cannot say so: where it does not know, it says nothing.
  if (facts.boot_id && record.boot_id !== '' && facts.boot_id !== record.boot_id)
    Object.assign(record, { reboot_required: false, reboot_reason: '' })
  for (const name of PLAIN) if (facts[name] !== undefined) Object.assign(record, { [name]: facts[name] })
  const family = familyOf(facts.platform_family ?? '', record.os_info, record.os_type)
  if (family !== 'unknown' || record.platform_family === '') record.platform_family = family
  const manager = MANAGERS.find((candidate) => candidate === facts.package_manager)
  if (manager) record.package_manager = manager
}

export const hostnameOf = (body: Readonly<Record<string, unknown>>): string =>
  Facts.parse(body).hostname ?? ''
