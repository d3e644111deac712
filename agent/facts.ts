import { existsSync, readFileSync } from 'node:fs'
import { hostname, machine, networkInterfaces, release } from 'node:os'
import { join } from 'node:path'
import { packageManager, parseOsRelease, platformFamily } from './family.ts'
import { detectProxmox } from './proxmox/detect.ts'
import { version } from './version.ts'

const BINARY_FOLDERS = ['usr/bin', 'bin', 'usr/sbin', 'sbin', 'usr/local/bin']

/** Text of a file of the system, '' where it is missing or not ours to read. */
export const readSystem = (root: string, file: string) => {
  try {
    return readFileSync(join(root, file), 'utf8')
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return ''
    throw error
  }
}

/** The interface of the default route in /proc/net/route: destination and mask are zero, lowest metric first. */
export const defaultInterface = (route: string): string | undefined =>
  route
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1] === '00000000' && columns[7] === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]))[0]?.[0]

type Address = { interface: string; address: string; family: string }

/** The address others most likely reach this machine by. */
export const primaryAddress = (addresses: Address[], preferred: string | undefined) => {
  const byPreference = [
    (a: Address) => a.interface === preferred && a.family === 'IPv4',
    (a: Address) => a.interface === preferred,
    (a: Address) => a.family === 'IPv4',
    () => true,
  ]
  for (const wanted of byPreference) {
    const found = addresses.find(wanted)
    if (found) return found.address
  }
  return ''
}

const addresses = (): Address[] =>
  Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
      .map(({ address, family }) => ({ interface: name, address, family })),
  )

/** The path of a command; undefined where there is none. */
export const binaryOf = (root: string, name: string): string | undefined =>
  BINARY_FOLDERS.map((folder) => join(root, folder, name)).find((path) => existsSync(path))

/** What this machine is, in the words of the `agents` collection. `root` is where its file system starts. */
export const collectFacts = (root = '/') => {
  const osRelease = parseOsRelease(
    readSystem(root, 'etc/os-release') || readSystem(root, 'usr/lib/os-release'),
  )
  const platform_family = platformFamily(osRelease)
  const all = addresses()
  return {
    hostname: hostname(),
    os_type: 'linux',
    os_info: osRelease.PRETTY_NAME ?? osRelease.NAME ?? 'Linux',
    os_version: osRelease.VERSION_ID ?? '',
    platform_family,
    package_manager: packageManager(platform_family, (name) => binaryOf(root, name) !== undefined),
    kernel_version: release(),
    arch: machine(),
    primary_ip: primaryAddress(all, defaultInterface(readSystem(root, 'proc/net/route'))),
    all_ips: all.map(({ address }) => address),
    boot_id: readSystem(root, 'proc/sys/kernel/random/boot_id').trim(),
    capabilities: ['claim', 'reboot', ...(detectProxmox(root) ? ['proxmox'] : [])],
    version,
  }
}

/** What tells two machines with the same disk image apart; each '' where it cannot be read. */
export const machineIdentity = (root = '/') => ({
  machine_id: readSystem(root, 'etc/machine-id').trim(),
  dmi_uuid: readSystem(root, 'sys/class/dmi/id/product_uuid').trim().toLowerCase(),
})
export type MachineIdentity = ReturnType<typeof machineIdentity>

/** Names of the marks that are known on both sides and differ. Empty: it is the same machine. */
export const identityDifferences = (enrolled: MachineIdentity, here: MachineIdentity) =>
  (['machine_id', 'dmi_uuid'] as const).filter(
    (mark) => enrolled[mark] !== '' && here[mark] !== '' && enrolled[mark] !== here[mark],
  )
