// npm test: brings what the tests need, runs them, and ends with their count.
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { hasRoot, rootNames, rootOf, rootPrograms } from './support/hosts/roots.ts'
import { startOutsidePostgres } from './support/outside-postgres.ts'

/** Programs that tests call, and Debian's packages that have them. */
const PROGRAMS = {
  shellcheck: 'shellcheck',
  'apt-ftparchive': 'apt-utils',
  'redis-server': 'redis-server',
  curl: 'curl',
  jq: 'jq',
  ...rootPrograms,
}

/** What runs a second time on a PostgreSQL that is not ours: all that speaks to a database. */
const ON_OUTSIDE = [
  'test/api',
  'test/core/filter',
  'test/core/records',
  'test/core/realtime',
  'test/core/auth',
  'test/core/hooks',
  'test/core/files',
  'test/core/db/pool.test.ts',
  'test/core/db/recurring.test.ts',
  'test/core/db/gather.test.ts',
]

/** Apart from the others, as they need no database and no such care for time. */
const SCRIPTS = 'test/patch-scripts'

const isRoot = process.getuid?.() === 0
const asked = process.argv.slice(2)
let passed = 0
let failed = 0

const has = (program: string) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const hasPostgres = () => globSync('/usr/lib/postgresql/*/bin/initdb').length > 0

function installPrograms(): void {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !has(program))
  const packages = missing.map(([, name]) => name)
  if (!hasPostgres()) packages.push('postgresql')
  if (packages.length === 0) return
  const command = ['install', '-y', '--no-install-recommends', ...packages]
  if (!isRoot || !has('apt-get')) {
    console.log(`Missing: ${packages.join(', ')}. As root: apt-get ${command.join(' ')}`)
    return
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  using _noCluster = packages.includes('postgresql') ? noCluster() : undefined
  using _noServices = noServices()
  for (const step of [
    ['update', '-qq'],
    ['-qq', ...command],
  ])
    spawnSync('apt-get', step, { stdio: 'inherit', env })
}

/**
 * Debian's package makes and starts a cluster of its own; only its programs are wanted. A file of ours beside its
 * settings says so until the disposal, which leaves what the package put there, or nothing.
 */
function noCluster(): Disposable {
  const folder = '/etc/postgresql-common/createcluster.d'
  const made = mkdirSync(folder, { recursive: true })
  const file = join(folder, 'patchbase-tests.conf')
  writeFileSync(file, 'create_main_cluster = false\n')
  return {
    [Symbol.dispose]() {
      rmSync(file)
      // Folders that were not there go, too, unless the package has come to use them.
      for (const path of [folder, dirname(folder)])
        if (made && path.startsWith(made) && readdirSync(path).length === 0) rmdirSync(path)
    },
  }
}

/**
 * Packages such as Redis's start a service once they are installed; only its program is wanted. Debian asks this
 * file first, and 101 is no. Where somebody has one already, it stays his to say.
 */
function noServices(): Disposable {
  const file = '/usr/sbin/policy-rc.d'
  const isOurs = !existsSync(file)
  if (isOurs) {
    writeFileSync(file, '#!/bin/sh\nexit 101\n')
    chmodSync(file, 0o755)
  }
  return {
    [Symbol.dispose]() {
      if (isOurs) rmSync(file)
    },
  }
}

/** What the suites of the package managers stand on, made before they run: they would wait for it one by one. */
async function buildRoots(): Promise<void> {
  const missing = rootNames.filter((name) => !hasRoot(name))
  const wanted = asked.length === 0 || asked.some((path) => /patch-scripts|e2e/.test(path))
  if (!isRoot || !wanted || missing.length === 0) return
  console.log(`Building chroots with ${missing.join(', ')} (once, about a minute)`)
  for (const { reason } of (await Promise.allSettled(missing.map(rootOf))).filter(isRejected))
    console.error(`${(reason as Error).message}\nTheir suites will fail.`)
}

const isRejected = (result: PromiseSettledResult<unknown>) => result.status === 'rejected'

/** Runs vitest once and adds to the count. A file that did not load counts as one failure. */
function run(title: string, args: string[], env: Record<string, string> = {}): void {
  console.log(`\n== ${title}`)
  const folder = mkdtempSync(join(tmpdir(), 'patchbase-report-'))
  const report = join(folder, 'report.json')
  const vitest = join(import.meta.dirname, '../node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      ...env,
      PATH: `${join(import.meta.dirname, '../node_modules/.bin')}${delimiter}${process.env.PATH}`,
    },
  })
  try {
    const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
    passed += numPassedTests
    for (const { status: result, assertionResults } of testResults) {
      const broken = assertionResults.filter((test) => test.status === 'failed').length
      failed += result === 'failed' ? Math.max(1, broken) : broken
    }
  } catch (error) {
    console.error(`There is no report of this run: ${(error as Error).message}`)
    failed++
  }
  if (status !== 0 && failed === 0) failed++
  rmSync(folder, { recursive: true, force: true })
}

type Report = {
  numPassedTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

installPrograms()
await buildRoots()
if (!isRoot)
  console.log('Not root: what needs root is left out (real package managers, other accounts, mounts).')
if (asked.length > 0) run(asked.join(' '), asked)
else {
  run('All tests, on the embedded PostgreSQL', ['--exclude', `${SCRIPTS}/**`])
  // Package managers wait a lot: for locks, for signals, for repositories that do not answer.
  run('The patch scripts, on real package managers', [SCRIPTS, '--maxWorkers=3'])
}
if (asked.length === 0) {
  const outside = await startOutsidePostgres()
  if (outside) {
    run(`Again on ${outside.name}, as DATABASE_URL would have it`, ON_OUTSIDE, {
      TEST_DATABASE_URL: outside.url,
    })
    await outside.stop()
  } else {
    console.log('\nLeft out: the second run on another PostgreSQL (as root: apt-get install -y postgresql)')
    // Root could have installed it.
    if (isRoot) failed++
  }
}
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
