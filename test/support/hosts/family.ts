/** What a package manager's family gives to tests, so that one suite states the guarantees for all of them. */
import type { ChildProcess } from 'node:child_process'
import type { Box } from './box.ts'
import type { RepositoryServer } from './repository-server.ts'

/** A package in words that every family can build. Its architecture is the family's word for "any". */
export type FamilyPackage = {
  name: string
  /** Upstream's part only, such as `2.0`; the release is 1 where the family has releases. */
  version: string
  epoch?: number
  /** `name`, or `name >= 2.0`. */
  depends?: string[]
  /** Configuration files by path: the manager keeps them when the administrator changed them. */
  config?: Record<string, string>
  /** Other files by path. */
  files?: Record<string, string>
  /** Lines of sh, run before and after the files are put in place, at installation and at upgrade. */
  preinstall?: string
  postinstall?: string
  /** Published as a security update. Families that cannot tell ignore it. */
  security?: boolean
  /** Names that this package replaces. */
  obsoletes?: string[]
  /** Names that cannot be installed beside it. */
  conflicts?: string[]
}

/** Where families truly differ. Data, so that the suite has no `if (family === ...)`. */
export type FamilyTraits = {
  /** `--security` is understood, and `security` in the result is true or false instead of null. */
  security: boolean
  only: boolean
  repo: boolean
  /** Packages that obsolete others take their place. */
  replaces: boolean
  /** The word in `arch`: `all`, `noarch`, `any`. */
  arch: string
  /** What is appended to a changed configuration file's path for the new one: `.dpkg-dist`, `.rpmnew`, `.pacnew`. */
  newConfig: string
  /** What a package whose `postinstall` fails means: exit 104 with it in `failed`, or upgraded with its words shown. */
  failingPostinstall: 'failure' | 'warning'
  /** The same of a failing `preinstall`. */
  failingPreinstall: 'failure' | 'warning'
  /** What the result says as `repository` of a package in the repository `name`. */
  repository: (name: string) => string
  /** `size` is known. */
  size: boolean
  /** Names of processes (`comm`) that are the manager at work; none may be left behind. */
  processes: RegExp
  /** The folder into which packages are downloaded: a small tmpfs over it is a full disk. */
  downloads: string
  /** Paths that a refresh of the metadata may change. What lies below them is not looked at either. */
  metadata: string[]
}

export type Family = {
  /** As the agent names it: `apt`, `dnf`, `yum`, `zypper`, `pacman`. */
  name: string
  /** Absolute path of the script in the checkout, which is visible inside at the same path. */
  script: string
  /** Its TITLE, between `===`. */
  title: string
  traits: FamilyTraits
  /**
   * A host with nothing but the family's basic system and the given packages, no repository and no hold. What was
   * installed once may be kept as a layer: the suite asks for the same few sets again and again.
   */
  createHost(installed?: FamilyPackage[]): Promise<FamilyHost>
}

export type FamilyHost = Box & {
  repositories: RepositoryServer
  /** Installs packages as they are given, without a repository. */
  install(packages: FamilyPackage[]): Promise<void>
  /** Replaces what the repository `name` (default `main`) has, and makes it an enabled source of the host. */
  publish(packages: FamilyPackage[], name?: string): Promise<void>
  /** Leaves the host without an enabled repository. */
  disableRepositories(): Promise<void>
  /** The administrator's own hold, lock, versionlock or IgnorePkg. */
  hold(name: string): Promise<void>
  /** All names that are held, sorted. */
  holds(): Promise<string[]>
  /** Files that keep holds: their bytes must be the same after every ending. */
  holdFiles: string[]
  /**
   * Packages whose name begins with `pb-`, and their complete versions as the script prints them. A package that is
   * not properly installed has its state behind it: `2.0 (half-configured)`; several versions are joined by `, `.
   */
  versions(): Promise<Record<string, string>>
  /** `2.0` as the script prints it: `2.0`, `2.0-1`. */
  full(version: string): string
  /** Bytes of the published file of a package. */
  size(name: string, repository?: string): Promise<number>
  /** The file stays in the index and is gone from the server. */
  lose(name: string, repository?: string): Promise<void>
  /** Somebody holds the manager's lock until the child's stdin ends. The child is the holder itself. */
  lock(): Promise<ChildProcess>
  /**
   * Makes thousands of names installed at 1.0 and published at 2.0, for lists only: nothing need be downloadable.
   * Left out where it takes more than a few seconds.
   */
  pretend?(names: string[]): Promise<void>
}

/** Packages without content, all of one version. */
export const packagesAt = (version: string, ...names: string[]): { name: string; version: string }[] =>
  names.map((name) => ({ name, version }))
