/** Distribution families, and the package managers that have a script. */
export const FAMILIES = ['debian', 'rhel', 'arch', 'suse', 'alpine', 'unknown'] as const
export const MANAGERS = ['apt', 'dnf', 'yum', 'pacman', 'zypper', 'apk'] as const
