/**
 * Hosts with yum: RHEL 8 and later, where it is dnf by another name, and a stand-in for CentOS 7, whose yum 3 needs
 * Python 2. The stand-in speaks yum 3's command line and lets dnf do the work.
 */
import { join } from 'node:path'
import { checkout } from './box.ts'
import { createDnfHost, type DnfHost, dnf } from './dnf.ts'
import type { Family } from './family.ts'
import type { RpmPackage } from './rpm-package.ts'

const STAND_IN = join(checkout, 'test/support/hosts/yum-3-stand-in.py')

/** A host whose yum is the stand-in for yum 3, without yum-utils. */
export async function createYum3Host(installed: RpmPackage[] = []): Promise<DnfHost> {
  const host = await createDnfHost(installed)
  await host.must(['ln', '-sf', STAND_IN, '/usr/bin/yum'])
  await host.write('/etc/yum.conf', '[main]\ncachedir=/var/cache/yum/$basearch/$releasever\nplugins=1\n')
  return host
}

/** yum as another name of dnf. */
export const yum: Family = {
  ...dnf,
  name: 'yum',
  script: join(checkout, 'patch-scripts/rhel/yum-update.sh'),
  title: 'RHEL/CentOS YUM Update Script',
  createHost: createDnfHost,
}

export const yum3: Family = {
  ...yum,
  traits: { ...yum.traits, size: false, metadata: [...yum.traits.metadata, '/var/cache/yum'] },
  createHost: createYum3Host,
}
