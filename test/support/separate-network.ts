import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'

const ADDRESS = { ours: '10.231.77.1', theirs: '10.231.77.2' }

export type SeparateNetwork = Disposable & {
  /** The address to listen on, for the other side to reach. */
  address: string
  /** Opens a connection from the other side; resolves when it has been asked for. */
  connect(port: number): Promise<void>
  /** The other side is gone without a word: what is sent there arrives nowhere, and nothing comes back. */
  vanish(): void
}

/** A second network stack with a cable to this one, as root: the one way to lose a peer that no process can imitate. */
export function separateNetwork(): SeparateNetwork {
  const name = `pbtest${process.pid}`
  const [ours, theirs] = [`pbo${process.pid}`, `pbt${process.pid}`]
  const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' })
  const inside = (...args: string[]) => ip('netns', 'exec', name, 'ip', ...args)
  const children = new Set<ReturnType<typeof spawn>>()
  removeLeft(ip)
  ip('netns', 'add', name)
  ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs, 'netns', name)
  ip('addr', 'add', `${ADDRESS.ours}/24`, 'dev', ours)
  ip('link', 'set', ours, 'up')
  inside('addr', 'add', `${ADDRESS.theirs}/24`, 'dev', theirs)
  inside('link', 'set', theirs, 'up')
  const [{ address: hardware }] = JSON.parse(inside('-j', 'link', 'show', theirs)) as [{ address: string }]
  // Known for good: an address that nobody answers for would be an error, and this is to be silence.
  ip('neigh', 'replace', ADDRESS.theirs, 'lladdr', hardware, 'dev', ours, 'nud', 'permanent')
  return {
    address: ADDRESS.ours,
    async connect(port) {
      const script = `exec 3<>/dev/tcp/${ADDRESS.ours}/${port}; exec cat <&3 >/dev/null`
      const child = spawn('ip', ['netns', 'exec', name, 'bash', '-c', script], { stdio: 'ignore' })
      children.add(child)
      await once(child, 'spawn')
    },
    vanish() {
      inside('addr', 'del', `${ADDRESS.theirs}/24`, 'dev', theirs)
    },
    [Symbol.dispose]() {
      for (const child of children) child.kill('SIGKILL')
      ip('link', 'del', ours)
      ip('netns', 'del', name)
    },
  }
}

/** What a test that was killed has left has the same addresses, and would be where the words go. */
function removeLeft(ip: (...args: string[]) => string): void {
  const listed = (...args: string[]) =>
    JSON.parse(ip('-j', ...args) || '[]') as { name?: string; ifname?: string }[]
  const isLeft = (text: string) => {
    const pid = /^pb(?:test|o)(\d+)$/.exec(text)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  }
  for (const { ifname = '' } of listed('link')) if (isLeft(ifname)) ip('link', 'del', ifname)
  for (const { name = '' } of listed('netns', 'list')) if (isLeft(name)) ip('netns', 'del', name)
}
