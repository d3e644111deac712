/** Small pacman packages, written without makepkg: a compressed tar of four records and the files. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FamilyPackage } from './family.ts'

/** What only pacman packages have. */
export type PacmanPackage = FamilyPackage & {
  conflicts?: string[]
  provides?: string[]
  groups?: string[]
  /** Default `any`. */
  arch?: string
  /** The whole `.INSTALL`, instead of the one made of `preinstall` and `postinstall`. */
  scriptlet?: string
}

export type BuiltPackage = {
  item: PacmanPackage
  version: string
  file: string
  bytes: Buffer
  installedSize: number
  sha256: string
}

/** `[EPOCH:]VERSION-1`, as pacman prints it. */
export const fullVersion = ({ version, epoch }: { version: string; epoch?: number }): string =>
  `${epoch ? `${epoch}:` : ''}${version.includes('-') ? version : `${version}-1`}`

/** pacman writes `name>=2.0`. */
export const dependency = (text: string): string => text.replaceAll(' ', '')

/** A package's own conflicts: what replaces another cannot stand beside it. */
export const conflictsOf = ({ conflicts = [], obsoletes = [] }: PacmanPackage): string[] => [
  ...conflicts,
  ...obsoletes,
]

export function buildPackage(item: PacmanPackage, builtAt = new Date()): BuiltPackage {
  const arch = item.arch ?? 'any'
  const version = fullVersion(item)
  const files = { ...item.files, ...item.config }
  const installedSize = Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0)
  const seconds = Math.floor(builtAt.getTime() / 1000)
  const scriptlet = item.scriptlet ?? scriptletOf(item)
  const info: [string, string | number][] = [
    ['pkgname', item.name],
    ['pkgbase', item.name],
    ['pkgver', version],
    ['pkgdesc', 'package of a test host'],
    ['builddate', seconds],
    ['packager', 'Test Packages <packages@example.invalid>'],
    ['size', installedSize],
    ['arch', arch],
    ...(item.obsoletes ?? []).map((name): [string, string] => ['replaces', name]),
    ...(item.groups ?? []).map((name): [string, string] => ['group', name]),
    ...conflictsOf(item).map((name): [string, string] => ['conflict', name]),
    ...(item.provides ?? []).map((name): [string, string] => ['provides', name]),
    ...Object.keys(item.config ?? {}).map((path): [string, string] => ['backup', path.replace(/^\//, '')]),
    ...(item.depends ?? []).map((text): [string, string] => ['depend', dependency(text)]),
  ]
  const tar = tarFile(
    {
      '.PKGINFO': `${info.map(([key, value]) => `${key} = ${value}`).join('\n')}\n`,
      '.MTREE': gzipSync(mtree(files, seconds)),
      ...(scriptlet ? { '.INSTALL': scriptlet } : {}),
      ...files,
    },
    seconds,
  )
  const bytes = gzipSync(tar, { level: 1 })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { item, version, file: `${item.name}-${version}-${arch}.pkg.tar.gz`, bytes, installedSize, sha256 }
}

/** Builds every package into `folder` and returns the paths. */
export async function buildPackages(packages: PacmanPackage[], folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const paths: string[] = []
  for (const item of packages) {
    const { file, bytes } = buildPackage(item)
    await writeFile(join(folder, file), bytes)
    paths.push(join(folder, file))
  }
  return paths
}

function scriptletOf({ preinstall, postinstall }: PacmanPackage): string {
  const functions = [
    ...(preinstall ? [`pre_install() {\n${preinstall}\n}`, 'pre_upgrade() { pre_install; }'] : []),
    ...(postinstall ? [`post_install() {\n${postinstall}\n}`, 'post_upgrade() { post_install; }'] : []),
  ]
  return functions.length > 0 ? `${functions.join('\n')}\n` : ''
}

const foldersAbove = (path: string): string[] => {
  const steps = path.replace(/^\//, '').split('/').slice(0, -1)
  return steps.map((_, index) => `${steps.slice(0, index + 1).join('/')}/`)
}

/** pacman takes a package's list of files from here, not from the archive. */
function mtree(files: Record<string, string>, seconds: number): string {
  const folders = new Set(Object.keys(files).flatMap(foldersAbove))
  const digest = (content: string) => createHash('sha256').update(content).digest('hex')
  return [
    '#mtree',
    `/set type=file uid=0 gid=0 mode=644 time=${seconds}.0`,
    ...[...folders].map((path) => `./${path.slice(0, -1)} mode=755 type=dir`),
    ...Object.entries(files).map(
      ([path, content]) => `.${path} size=${Buffer.byteLength(content)} sha256digest=${digest(content)}`,
    ),
    '',
  ].join('\n')
}

/** A tar archive: content by path, with the folders above, in the order that pacman expects: by name. */
export function tarFile(entries: Record<string, string | Buffer>, seconds: number): Buffer {
  const contents = new Map<string, Buffer | undefined>()
  for (const [path, content] of Object.entries(entries)) {
    for (const folder of foldersAbove(path)) contents.set(folder, undefined)
    contents.set(path.replace(/^\//, ''), Buffer.from(content))
  }
  const parts: Buffer[] = []
  for (const [name, bytes] of [...contents].sort(([one], [other]) => (one < other ? -1 : 1))) {
    parts.push(tarHeader(name, bytes?.length ?? 0, seconds))
    if (bytes) parts.push(bytes, Buffer.alloc(-bytes.length & 511))
  }
  parts.push(Buffer.alloc(1024))
  return Buffer.concat(parts)
}

function tarHeader(name: string, size: number, seconds: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`'${name}' is too long for a test package's tar.`)
  const header = Buffer.alloc(512)
  const isFolder = name.endsWith('/')
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  header.write(name, 0)
  header.write(octal(isFolder ? 0o755 : 0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(size, 11), 124)
  header.write(octal(seconds, 11), 136)
  header.write('        ', 148)
  header.write(isFolder ? '5' : '0', 156)
  header.write('ustar\u000000', 257)
  header.write('root', 265)
  header.write('root', 297)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${octal(sum, 6)}\0 `, 148)
  return header
}
