/**
 * How the roots of the families are made: Debian's own packages of dnf, zypper and pacman in an otherwise bare Debian
 * that is then made to behave like the family. A change of a recipe makes a new root.
 */

export type RootName = 'dnf' | 'zypper' | 'pacman'

export type Recipe = {
  /** Debian packages, besides the essential ones. */
  include: string[]
  /** Files that the root has in the end, by path. */
  files: Record<string, string>
  /** Lines of sh that run in the root's folder after the files are written; `chroot .` runs something inside. */
  lines: string
}

/** What the agent's Node needs, what a script may expect of any machine, and German. */
const COMMON = ['locales', 'gawk', 'procps', 'libstdc++6', 'util-linux', 'perl-base']

const COMMON_FILES = {
  '/etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  '/etc/resolv.conf': '',
  '/etc/hostname': 'test-host\n',
}

/** Translations are wanted; what marks the root as a Debian is not. */
const NOT_DEBIAN = `
chroot . localedef -i de_DE -f UTF-8 de_DE.UTF-8
ln -sf bash usr/bin/sh
ln -sf /proc/self/mounts etc/mtab
rm -rf etc/apt etc/dpkg var/lib/apt var/lib/dpkg var/cache/apt var/log/* usr/lib/apt usr/lib/dpkg etc/debian_version
find usr/bin usr/sbin \\( -name 'dpkg*' -o -name 'apt*' -o -name dash \\) -delete
mkdir -p var/log run tmp
rm -f run/reboot-required* boot/*
`

/** rpm's database where the family has it, and something that provides what scriptlets ask for. */
const RPM = `
rm -rf root/.rpmdb var/lib/rpm
chroot . rpm --initdb
cat >tmp/shell.spec <<'SPEC'
Name: basesystem
Version: 1
Release: 1
Summary: What packages of a test host may ask for
License: MIT
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh /usr/bin/sh bash
%description
None.
%files
SPEC
rpmbuild --quiet -bb --define "_rpmdir $PWD/tmp" --define "_topdir $PWD/tmp/build" tmp/shell.spec
chroot . rpm -i --nodeps /tmp/noarch/basesystem-1-1.noarch.rpm
rm -rf tmp/noarch tmp/build tmp/shell.spec
`

const RPM_FILES = {
  ...COMMON_FILES,
  // Debian's rpm keeps its database in the home directory.
  '/etc/rpm/macros': '%_dbpath /var/lib/rpm\n',
}

export const recipes: Record<RootName, Recipe> = {
  /** RHEL 9; its yum is a link to dnf. */
  dnf: {
    include: [...COMMON, 'dnf', 'dnf-plugins-core', 'rpm'],
    files: {
      ...RPM_FILES,
      '/etc/os-release':
        'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
      '/etc/redhat-release': 'Rocky Linux release 9.4 (Blue Onyx)\n',
      // RHEL's, where Debian's has best=False and skip_if_unavailable=True.
      '/etc/dnf/dnf.conf':
        '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n',
      '/etc/dnf/vars/releasever': '9\n',
    },
    // The "local" plugin adds an unsigned repository of its own.
    lines: `
find usr/lib etc/dnf \\( -name local.py -o -name local.conf \\) -delete
ln -sf dnf-3 usr/bin/yum
[ -e usr/bin/dnf-3 ] || ln -sf dnf usr/bin/dnf-3
mkdir -p etc/yum.repos.d
${RPM}${NOT_DEBIAN}`,
  },
  zypper: {
    include: [...COMMON, 'zypper', 'rpm'],
    files: {
      ...RPM_FILES,
      '/etc/os-release':
        'NAME="openSUSE Leap"\nVERSION="15.6"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n',
    },
    lines: `
mkdir -p etc/zypp/repos.d etc/products.d var/lib/zypp var/lib/YaST2
${RPM}${NOT_DEBIAN}`,
  },
  pacman: {
    include: [...COMMON, 'pacman-package-manager'],
    files: {
      ...COMMON_FILES,
      '/etc/os-release':
        'NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\nHOME_URL="https://archlinux.org/"\n',
      '/etc/pacman.conf':
        '[options]\nHoldPkg = pacman glibc\nArchitecture = auto\nCheckSpace\nSigLevel = Never\nLocalFileSigLevel = Optional\n',
    },
    lines: NOT_DEBIAN,
  },
}
