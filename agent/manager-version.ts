import { capture } from './capture.ts'
import { binaryOf } from './facts.ts'
import type { Log } from './log.ts'
import { remembered, stampOf } from './remembered.ts'

/** Where the command has another name than the package manager. */
const COMMANDS: Record<string, string> = { apt: 'apt-get' }

/** The first version in what `--version` prints: `apt 2.6.1 (amd64)`, `4.14.0`, ` .--.   Pacman v6.0.2 - libalpm ...`. */
export const parseVersion = (text: string): string =>
  /(?:^|[\sv-])(\d+(?:\.[0-9A-Za-z~+-]+)+)/.exec(text)?.[1]?.slice(0, 100) ?? ''

/** Asks a package manager for its version when its command has changed. In another root there is nothing to run. */
export const openManagerVersion = (root: string, log: Log) => {
  const remember = remembered<string>("The package manager's version", log)
  return async (manager: string | undefined): Promise<string | undefined> => {
    const binary = manager && root === '/' ? binaryOf(root, COMMANDS[manager] ?? manager) : undefined
    if (!binary) return undefined
    const question = {
      key: () => stampOf([binary]),
      answer: async () => parseVersion(await capture(binary, ['--version'])),
    }
    return (await remember(question)) || undefined
  }
}
