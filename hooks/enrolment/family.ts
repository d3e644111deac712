import { FAMILIES } from '../../collections/parts/platforms.ts'

type Family = (typeof FAMILIES)[number]

/** In this order: an Ubuntu that mentions Arch in its name is still a Debian. */
const WORDS: [Family, string[]][] = [
  ['debian', ['ubuntu', 'debian', 'mint', 'linuxmint', 'pop', 'elementary', 'raspbian']],
  ['rhel', ['red hat', 'rhel', 'centos', 'fedora', 'alma', 'almalinux', 'rocky', 'oracle', 'amazon', 'amzn']],
  ['arch', ['arch', 'manjaro', 'endeavouros']],
  ['suse', ['suse', 'sles', 'opensuse', 'leap', 'tumbleweed']],
  ['alpine', ['alpine']],
]

/** The family an agent names, or else the first whose words stand in what it says of its system. */
export function familyOf(stated: string, ...descriptions: string[]): Family {
  const known = FAMILIES.find((family) => family === stated.toLowerCase())
  if (known && known !== 'unknown') return known
  // Whole words only: "search" is not "arch".
  const text = ` ${[stated, ...descriptions]
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')} `
  return WORDS.find(([, words]) => words.some((word) => text.includes(` ${word} `)))?.[0] ?? 'unknown'
}
