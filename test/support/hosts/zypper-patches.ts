/** Patches as SUSE publishes them: one notice for several packages, with what they ask of the machine. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type RpmPackage, rpmFile } from './rpm-package.ts'

export type Patch = {
  name: string
  category: 'security' | 'recommended' | 'optional'
  /** Names of packages of the same publication. */
  packages: string[]
  /** `zypper`: it updates the package manager, which is to be restarted before anything else; `machine`: a reboot. */
  restarts?: 'zypper' | 'machine'
}

/** Adds the patches to the repository in `folder`. Throws when one names a package that is not in `packages`. */
export async function addPatches(patches: Patch[], packages: RpmPackage[], folder: string): Promise<void> {
  const notices = patches.map((patch) => notice(patch, packages)).join('')
  await addIndex('updateinfo.xml', `<updates>\n${notices}</updates>`, folder)
}

/** Demands that whoever installs the package agrees to a licence. */
export async function addLicence(item: RpmPackage, folder: string): Promise<void> {
  const sum = createHash('sha256')
    .update(await readFile(join(folder, rpmFile(item))))
    .digest('hex')
  const { name, version, release = '1', epoch = 0 } = item
  await addIndex(
    'susedata.xml',
    `<susedata xmlns="http://linux.duke.edu/metadata/susedata" packages="1">
<package pkgid="${sum}" name="${name}" arch="noarch"><version epoch="${epoch}" ver="${version}" rel="${release}"/>
<eula>You must agree.</eula></package></susedata>`,
    folder,
  )
}

async function addIndex(name: string, content: string, folder: string): Promise<void> {
  const file = join(folder, name)
  await writeFile(file, `<?xml version="1.0" encoding="UTF-8"?>\n${content}\n`)
  await promisify(execFile)('modifyrepo_c', ['--no-compress', file, join(folder, 'repodata')])
  await rm(file)
}

function notice({ name, category, packages, restarts }: Patch, published: RpmPackage[]): string {
  const flags = {
    zypper: '<restart_suggested>True</restart_suggested>',
    machine: '<reboot_suggested>True</reboot_suggested>',
  }
  const entries = packages.map((wanted) => {
    const item = published.find((each) => each.name === wanted)
    if (!item)
      throw new Error(`The patch ${name} needs the package ${wanted}, which is not published with it.`)
    const { version, release = '1', epoch = 0 } = item
    return `<package name="${wanted}" version="${version}" release="${release}" epoch="${epoch}" arch="noarch">
<filename>${rpmFile(item)}</filename>${restarts ? flags[restarts] : ''}</package>`
  })
  return `<update from="tests@example.invalid" status="final" type="${category}" version="1">
<id>${name}</id><title>Test &lt;${name}&gt; &amp; "more"</title><issued date="1767225600"/>
<severity>important</severity><description>Conflicts : nothing &lt; 1
Name : none</description>
<pkglist><collection short="test">${entries.join('')}</collection></pkglist></update>
`
}
