/** A repository of rpm packages as RHEL publishes them: createrepo_c's index, and notices in updateinfo.xml. */
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildRpms, type RpmPackage, rpmFile } from './rpm-package.ts'

const execute = promisify(execFile)

export type RpmRepositoryOptions = {
  publishedAt: Date
  /** Without any notices at all, as CentOS publishes, when false. Default true. */
  notices?: boolean
}

/** Fills `folder`. Packages marked `security` get a security notice, the others a bug fix. */
export async function buildRpmRepository(
  packages: RpmPackage[],
  folder: string,
  { publishedAt, notices = true }: RpmRepositoryOptions,
): Promise<void> {
  await buildRpms(packages, folder)
  await execute('createrepo_c', ['--quiet', '--no-database', folder])
  if (notices) await addNotices(packages, folder)
  // The index says itself when it was published.
  const index = join(folder, 'repodata/repomd.xml')
  const seconds = Math.floor(publishedAt.getTime() / 1000)
  const text = await readFile(index, 'utf8')
  await writeFile(index, text.replace(/<(timestamp|revision)>\d+</g, `<$1>${seconds}<`))
}

async function addNotices(packages: RpmPackage[], folder: string): Promise<void> {
  const file = join(folder, 'updateinfo.xml')
  await writeFile(
    file,
    `<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n${packages.map(notice).join('')}</updates>\n`,
  )
  await execute('modifyrepo_c', ['--no-compress', file, join(folder, 'repodata')])
  await rm(file)
}

function notice(item: RpmPackage, number: number): string {
  const type = item.security ? 'security' : 'bugfix'
  const release = item.release ?? '1'
  return `<update from="tests@example.invalid" status="final" type="${type}" version="1">
<id>TEST-2026:${String(number).padStart(4, '0')}-${item.version}</id><title>${item.name}</title>
<issued date="2026-01-01 00:00:00"/><severity>${item.security ? 'Important' : 'None'}</severity>
<description>Test.</description><pkglist><collection short="test"><name>test</name>
<package name="${item.name}" version="${item.version}" release="${release}" epoch="${item.epoch ?? 0}" arch="noarch">
<filename>${rpmFile(item)}</filename></package></collection></pkglist></update>
`
}
