/**
 * What runs as `pct`, `qm`, `pvesh` and `pveversion`: words and exit codes are those of Proxmox VE 8 and 9.
 * Its arguments: the state's folder, the node's name, the tool's name, and the caller's own.
 */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Died, type Program } from './died.ts'
import { pct } from './pct.ts'
import { pvesh } from './pvesh.ts'
import { qm } from './qm.ts'
import { changeState, type Failure, logCall, readState } from './state.ts'

const say = (text = '', stream: NodeJS.WriteStream = process.stdout): void => void stream.write(text)

function takeFailure(folder: string, node: string, words: string[]): Failure | undefined {
  const line = words.join(' ')
  const fits = (failure: Failure): boolean =>
    failure.times !== 0 &&
    `${line} `.startsWith(failure.tool.endsWith('/') ? failure.tool : `${failure.tool} `) &&
    (failure.node === undefined || failure.node === node) &&
    (failure.vmid === undefined || words[2] === `${failure.vmid}`)
  if (!readState(folder).failures.some(fits)) return undefined
  return changeState(folder, ({ failures }) => {
    const failure = failures.find(fits)
    if (failure && failure.times > 0) failure.times--
    return failure
  })
}

/** Until somebody kills us, or nobody is left who would. */
async function hang(folder: string): Promise<never> {
  const { owner } = readState(folder)
  while (existsSync(folder) && existsSync(`/proc/${owner}`)) await delay(100)
  process.exit(1)
}

async function main(): Promise<number> {
  const [folder = '', node = '', tool = '', ...args] = process.argv.slice(2)
  logCall(folder, { at: new Date().toISOString(), node, tool, args, pid: process.pid })
  const failure = takeFailure(folder, node, [tool, ...args])
  if (failure && !failure.after) return fail(folder, failure)
  const state = readState(folder)
  if (tool === 'pveversion') {
    say(`pve-manager/${state.version}/faa83925c9641325 (running kernel: 6.8.12-4-pve)\n`)
    return 0
  }
  if (!state.nodes.find(({ name }) => name === node)?.pmxcfs)
    throw new Died(
      'ipcc_send_rec[1] failed: Connection refused\nipcc_send_rec[2] failed: Connection refused\nUnable to load access control list: Connection refused',
      111,
    )
  const programs = { pct, qm, pvesh } as Record<string, (program: Program) => number | Promise<number>>
  const exit = (await programs[tool]?.({ folder, node, args })) ?? 127
  return failure ? fail(folder, failure) : exit
}

function fail(folder: string, failure: Failure): number | Promise<never> {
  say(failure.stdout)
  say(failure.stderr, process.stderr)
  return failure.hang ? hang(folder) : (failure.exit ?? 255)
}

try {
  process.exitCode = await main()
} catch (error) {
  say(`${(error as Error).message}\n`, process.stderr)
  process.exitCode = error instanceof Died ? error.exit : 99
}
