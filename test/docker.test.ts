import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { importsOf } from './house.ts'
import { readYaml, type Yaml } from './support/compose-file.ts'

type Service = {
  image?: string
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  build?: { context: string; dockerfile: string }
}
type Compose = { services: Record<string, Service>; volumes: Record<string, Yaml> }

const instructions = readFileSync('docker/Dockerfile', 'utf8')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => /^(\S+)\s+(.*)$/.exec(line)?.slice(1) ?? [line, ''])
const all = (name: string) => instructions.flatMap(([found, rest = '']) => (found === name ? [rest] : []))
const one = (name: string) => {
  const found = all(name)
  expect(found, name).toHaveLength(1)
  return found[0] ?? ''
}

/** What is copied, as [from, to]. */
const copies = all('COPY').flatMap((line): [string, string][] => {
  const words = line.split(/\s+/)
  const to = words.pop() ?? ''
  return words.map((from) => [from, to === './' ? from : to])
})
const inImage = (path: string) => copies.some(([, to]) => path === to || path.startsWith(`${to}/`))
const environment = Object.fromEntries(
  one('ENV')
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split('=') as [string, string]),
)
const command = JSON.parse(one('CMD')) as string[]

/** Every file and package that the given files import, themselves included. */
function reached(entries: string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  for (const waiting = [...entries]; waiting.length > 0; ) {
    const file = normalize(waiting.pop() ?? '')
    if (files.has(file)) continue
    files.add(file)
    for (const { target, typeOnly } of importsOf(readFileSync(file, 'utf8'))) {
      if (target.startsWith('.')) waiting.push(join(dirname(file), target))
      else if (!typeOnly) packages.add(target.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? '')
    }
  }
  // What is no folder there is a module of Node's, or a word behind "from" in an SQL text.
  const installed = [...packages].filter((name) => existsSync(join('node_modules', name)))
  return { files, packages: new Set(installed) }
}

describe('the image', () => {
  it('copies what exists, and what the builder is given', () => {
    const ignore = readFileSync('docker/Dockerfile.dockerignore', 'utf8').split('\n')
    expect(copies.length).toBeGreaterThan(5)
    for (const [from] of copies) {
      expect(existsSync(from), from).toBe(true)
      expect(ignore, from).toContain(`!${from}`)
    }
    expect(ignore.filter((line) => line.startsWith('!'))).toHaveLength(copies.length)
    expect(ignore).toContain('*')
  })

  it('has every file and package that the server and the superuser command import', () => {
    const { files, packages } = reached([
      ...command.filter((word) => /\.(ts|mjs)$/.test(word)),
      'cli/superuser.ts',
    ])
    expect(files.size).toBeGreaterThan(100)
    expect([...files].filter((file) => !inImage(file))).toEqual([])
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>
    }
    expect(packages.size).toBeGreaterThan(5)
    expect([...packages].filter((name) => !(name in dependencies))).toEqual([])
  })

  it('has the migrations and the patch scripts', () => {
    const files = globSync(['core/db/migrations/*.sql', 'patch-scripts/*/*.sh'])
    expect(files.length).toBeGreaterThan(1)
    expect(files.filter((file) => !inImage(file))).toEqual([])
  })

  it('starts as npm start does, without npm and not as root', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } }
    // npm's shell needs the word to give way; the image has no shell.
    expect(['exec', ...command]).toEqual(scripts.start.split(' '))
    expect(all('USER').at(-1)).toBe('node')
    expect(one('FROM')).toMatch(/^node:24-/)
  })

  it('says what the server takes', () => {
    const config = readConfig(environment)
    expect(config.host).toBe('0.0.0.0')
    expect(String(config.port)).toBe(one('EXPOSE'))
    expect(config.dataDir).toBe(one('VOLUME'))
    expect(one('HEALTHCHECK')).toContain('/api/health')
    expect(one('STOPSIGNAL')).toBe('SIGTERM')
  })
})

describe.each(['docker/compose.yml', 'docker/compose.full.yml'])('%s', (path) => {
  const { services, volumes } = readYaml(readFileSync(path, 'utf8')) as Compose
  const server = services.patchbase ?? {}
  /** `${NAME:-default}` as its default, `${NAME:?must}` as something. */
  const filled = Object.fromEntries(
    Object.entries(server.environment ?? {}).map(([name, value]) => [
      name,
      value.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/\$\{\w+:\?[^}]*\}/g, 'secret'),
    ]),
  )

  it('builds the image from the project folder', () => {
    const { context = '', dockerfile = '' } = server.build ?? {}
    expect(normalize(join('docker', context))).toBe('.')
    expect(existsSync(dockerfile)).toBe(true)
  })

  it('gives the server variables, a port and a volume that fit the image', () => {
    const config = readConfig({ ...environment, ...filled })
    expect(config.publicUrl).toBe(`http://localhost:${config.port}`)
    expect(server.ports).toEqual([`127.0.0.1:${config.port}:${config.port}`])
    expect(server.volumes).toEqual([`data:${config.dataDir}`])
  })

  it('reaches only services, and mounts only volumes, that it declares', () => {
    for (const url of [filled.DATABASE_URL, filled.REDIS_URL])
      if (url) expect(Object.keys(services)).toContain(new URL(url).hostname)
    const mounted = Object.values(services).flatMap((service) => service.volumes ?? [])
    expect(mounted.map((mount) => mount.split(':')[0]).sort()).toEqual(Object.keys(volumes).sort())
    for (const [name, { image, build }] of Object.entries(services))
      expect(image ?? build, name).toBeDefined()
  })

  const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0
  it.runIf(hasCompose)('is what docker compose takes', () => {
    const env = { ...process.env, POSTGRES_PASSWORD: 'secret' }
    const { status, stderr } = spawnSync('docker', ['compose', '-f', path, 'config', '--quiet'], { env })
    expect(status, String(stderr)).toBe(0)
  })
})

describe('the reader of compose files', () => {
  it.each([
    ['a:\n   b: c', 'Line 2: indent by two blanks.'],
    ['a:\n    b: c', 'Line 2: indented too far.'],
    ['  a: b\nc: d', 'Line 1: indented too far.'],
    ['a: b\na: c', 'Line 2: a stands twice.'],
    ['a:\n  - b\n  c: d', 'Line 3: a list and a map at once.'],
    ['just words', 'Line 1: neither "key: value" nor "- text".'],
    ['a: [b, c]', 'Line 1: [b, c] is no JSON text or list.'],
  ])('refuses %j', (source, message) => {
    expect(() => readYaml(source)).toThrow(message)
  })

  it('reads maps in maps, lists and texts', () => {
    expect(readYaml('# one\na:\n  b: c # two\n  d:\n    - "e:f"\ng: ["h", "i"]\nj:\n')).toEqual({
      a: { b: 'c', d: ['e:f'] },
      g: ['h', 'i'],
      j: {},
    })
  })
})
