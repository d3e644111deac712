/** Which family a distribution belongs to, and which package manager it has. */
export type Family = 'debian' | 'rhel' | 'arch' | 'suse' | 'alpine' | 'unknown'

const WORDS: [Exclude<Family, 'unknown'>, string[]][] = [
  ['debian', ['ubuntu', 'debian', 'mint', 'linuxmint', 'pop', 'elementary', 'raspbian']],
  ['rhel', ['red hat', 'rhel', 'centos', 'fedora', 'alma', 'almalinux', 'rocky', 'oracle', 'amazon', 'amzn']],
  ['arch', ['arch', 'manjaro', 'endeavouros']],
  ['suse', ['suse', 'sles', 'opensuse', 'leap', 'tumbleweed']],
  ['alpine', ['alpine']],
]

/** Binaries in the order in which they are asked for: a RHEL 8 has both, and yum is only a link to dnf there. */
const MANAGERS: Record<Family, [binary: string, manager: string][]> = {
  debian: [['apt-get', 'apt']],
  rhel: [
    ['dnf', 'dnf'],
    ['yum', 'yum'],
  ],
  arch: [['pacman', 'pacman']],
  suse: [['zypper', 'zypper']],
  alpine: [['apk', 'apk']],
  unknown: [],
}

/** Reads os-release: `KEY=value` lines, values perhaps quoted and escaped as in a shell. */
export const parseOsRelease = (text: string): Record<string, string> => {
  const fields: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z0-9_]+)=(.*?)\s*$/.exec(line)
    if (!match?.[1] || match[2] === undefined) continue
    const quoted = /^(["'])(.*)\1$/.exec(match[2])
    fields[match[1]] = (quoted?.[2] ?? match[2]).replace(/\\(["'$`\\])/g, '$1')
  }
  return fields
}

const familyOf = (text: string): Family => {
  // Whole words: "archive" is not Arch, and "opensuse-leap" is two words.
  const words = ` ${text.toLowerCase().replace(/[^a-z0-9]+/g, ' ')} `
  return WORDS.find(([, names]) => names.some((name) => words.includes(` ${name} `)))?.[0] ?? 'unknown'
}

/** What a distribution says it is counts before what it says it is like, and that before its display name. */
export const platformFamily = (osRelease: Record<string, string>): Family => {
  for (const key of ['ID', 'ID_LIKE', 'PRETTY_NAME']) {
    const family = familyOf(osRelease[key] ?? '')
    if (family !== 'unknown') return family
  }
  return 'unknown'
}

/** Undefined where none of the family's binaries is there. */
export const packageManager = (family: Family, hasBinary: (name: string) => boolean) =>
  MANAGERS[family].find(([binary]) => hasBinary(binary))?.[1]
