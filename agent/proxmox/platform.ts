import type { Context } from '../context.ts'
import { packageManager, parseOsRelease, platformFamily } from '../family.ts'
import type { Host } from '../guard.ts'
import { askPct, called, type Found } from './pct.ts'

type Asking = Pick<Context, 'proxmox' | 'timings'>

/** What a container is, in the words of `proxmox_lxc`. */
export type Platform = { platform_family: string; os_version: string; package_manager: string }

/** A look takes as long as one second; a container that is frozen never answers. */
const LOOK_MS = 20_000
const VERSION_MAX = 100

// Nothing of it is the container's own: what stands there is read as data. A pipe in the place of the file would hold
// us, so a file it must be. Programs first: whatever the file says, it cannot add one.
const LOOK = `
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for name in apt-get dnf yum zypper pacman apk; do
  command -v "$name" >/dev/null 2>&1 && echo "$name"
done
echo
for file in /etc/os-release /usr/lib/os-release; do
  [ -f "$file" ] && [ -s "$file" ] || continue
  head -c 16384 "$file"
  break
done
exit 0
`

/** Looks into a running container. Throws `PctError` where that cannot be done. */
export const containerPlatform = async (context: Asking, vmid: number): Promise<Platform> =>
  parsePlatform(
    await askPct(
      context,
      ['exec', `${vmid}`, '--', '/bin/sh', '-c', LOOK],
      Math.min(LOOK_MS, context.timings.pctMs),
    ),
  )

/** The same as what a script must fit. */
export const platformInside = async (context: Asking, found: Found): Promise<Host> => {
  const { platform_family, os_version, package_manager } = await containerPlatform(context, found.vmid)
  const manager = package_manager || undefined
  return { family: platform_family, osVersion: os_version, manager, called: called(found) }
}

/** The names of programs, an empty line, and os-release. A container says what it likes: only known words count. */
export const parsePlatform = (text: string): Platform => {
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n')
  const programs = end < 0 ? [] : text.slice(0, end).split('\n')
  const osRelease = parseOsRelease(end < 0 ? '' : text.slice(end))
  const platform_family = platformFamily(osRelease)
  return {
    platform_family,
    os_version: (osRelease.VERSION_ID ?? '').replace(/\p{C}/gu, '').slice(0, VERSION_MAX),
    package_manager: packageManager(platform_family, (name) => programs.includes(name)) ?? '',
  }
}
