/** Small rpm packages, built by rpmbuild: many from one spec, because starting it is what takes the time. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { FamilyPackage } from './family.ts'

const execute = promisify(execFile)

export type RpmPackage = FamilyPackage & {
  /** Default `1`. */
  release?: string
  provides?: string[]
  conflicts?: string[]
}

/** `epoch:version-release`, as rpm and the scripts write it. */
export const evr = ({ epoch, version, release = '1' }: RpmPackage): string =>
  `${epoch ? `${epoch}:` : ''}${version}-${release}`

export const rpmFile = (item: RpmPackage): string =>
  `${item.name}-${item.version}-${item.release ?? '1'}.noarch.rpm`

/** Builds every package into `folder` and returns the paths. */
export async function buildRpms(packages: RpmPackage[], folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(tmpdir(), 'patchbase-rpm-'))
  try {
    for (const [number, batch] of batches(packages).entries()) {
      await buildBatch(batch, join(work, `${number}`), folder)
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return packages.map((item) => join(folder, rpmFile(item))).sort()
}

/** One spec knows a name and a path only once. */
function batches(packages: RpmPackage[]): RpmPackage[][] {
  const result: { items: RpmPackage[]; taken: Set<string> }[] = []
  for (const item of packages) {
    const claims = [item.name, ...Object.keys(contents(item))]
    let batch = result.find(({ taken }) => claims.every((claim) => !taken.has(claim)))
    if (!batch) {
      batch = { items: [], taken: new Set() }
      result.push(batch)
    }
    batch.items.push(item)
    for (const claim of claims) batch.taken.add(claim)
  }
  return result.map(({ items }) => items)
}

const contents = (item: RpmPackage): Record<string, string> => ({ ...item.files, ...item.config })

async function buildBatch(items: RpmPackage[], work: string, folder: string): Promise<void> {
  const tree = join(work, 'tree')
  await mkdir(tree, { recursive: true })
  for (const item of items) {
    for (const [path, content] of Object.entries(contents(item))) {
      await mkdir(dirname(join(tree, path)), { recursive: true })
      await writeFile(join(tree, path), content)
    }
  }
  const spec = join(work, 'test.spec')
  await writeFile(spec, [...header(tree), ...items.flatMap(sections)].join('\n'))
  await execute('rpmbuild', [
    ...['--quiet', '-bb', '--define', `_topdir ${work}`, '--define', `_rpmdir ${folder}`],
    ...['--define', '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm', spec],
  ])
}

const header = (tree: string): string[] => [
  '%global debug_package %{nil}',
  '%global __os_install_post %{nil}',
  '%global _binary_payload w1.gzdio',
  ...['Name: test-packages', 'Version: 1', 'Release: 1', 'Summary: Packages of a test host', 'License: MIT'],
  ...['BuildArch: noarch', 'AutoReqProv: no'],
  ...['%description', 'None.', '%install', 'mkdir -p %{buildroot}', `cp -a ${tree}/. %{buildroot}/`],
]

function sections(item: RpmPackage): string[] {
  const lines = (field: string, values: string[] = []) => values.map((value) => `${field}: ${value}`)
  const scriptlet = (section: string, text?: string) => (text ? [`%${section} -n ${item.name}`, text] : [])
  return [
    `%package -n ${item.name}`,
    `Version: ${item.version}`,
    `Release: ${item.release ?? '1'}`,
    ...(item.epoch ? [`Epoch: ${item.epoch}`] : []),
    ...['Summary: Package of a test host', 'AutoReqProv: no'],
    ...lines('Requires', item.depends),
    ...lines('Provides', item.provides),
    ...lines('Conflicts', item.conflicts),
    ...lines('Obsoletes', item.obsoletes),
    ...[`%description -n ${item.name}`, 'None.'],
    ...scriptlet('pre', item.preinstall),
    ...scriptlet('post', item.postinstall),
    `%files -n ${item.name}`,
    ...Object.keys(item.config ?? {}).map((path) => `%config(noreplace) ${path}`),
    ...Object.keys(item.files ?? {}),
    '',
  ]
}
