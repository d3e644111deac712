import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FLAGS } from '../core/config.ts'

const pages = [...globSync('*.md'), ...globSync(['docs/**/*.md', 'docker/*.md', 'patch-scripts/*.md'])]
const read = (path: string) => readFileSync(path, 'utf8')
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found)

describe('the words', () => {
  it.each(pages)('%s links to what exists', (page) => {
    const links = all(read(page), /\]\(([^)#]+)/g).filter((link) => !/^https?:/.test(link))
    expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([])
  })

  it.each(pages)('%s names files that exist', (page) => {
    const files = all(
      read(page),
      /(?<![\w/<>*])((?:\.ci|agent|api|bench|cli|collections|core|docker|docs|hooks|patch-scripts|test)\/[\w./-]+\.(?:md|mjs|sh|ts|yml))\b/g,
    )
    expect(files.filter((file) => !existsSync(file))).toEqual([])
  })

  it.each(pages)('%s names commands that package.json has', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = all(read(page), /npm run ([\w:]+)/g)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  it('has every setting and flag in its table', () => {
    const settings = all(read('core/config.ts'), /^ {2}([A-Z_]+): z/gm)
    expect(settings.length).toBeGreaterThan(5)
    const rows = read('docs/configuration.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    for (const name of settings) {
      const [flag] = Object.entries(FLAGS).find(([, variable]) => variable === name) ?? []
      const row = rows.find((line) => line.startsWith(`| \`${name}\` |`))
      expect(row, name).toBeDefined()
      expect(row?.split('|')[2]?.trim(), name).toBe(flag ? `\`--${flag}\`` : '')
    }
  })

  it('has every timed job in its table', () => {
    const page = read('docs/architecture.md')
    const jobs = readdirSync('hooks/jobs').map((file) => basename(file, '.ts'))
    expect(jobs.filter((job) => !page.includes(`| \`${job}\` |`))).toEqual([])
  })

  it('numbers its decisions without a gap', () => {
    const numbers = readdirSync('docs/decisions').map((file) => Number(file.slice(0, 4)))
    expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, at) => at + 1))
  })
})
