/** The fake `pct`: see the manual page of the real one for what each command does. */
import { closeSync, constants, openSync } from 'node:fs'
import { guestOf, type Parsed, parseArguments, vmidOf } from './arguments.ts'
import { Died, type Program } from './died.ts'
import { attach, inside } from './inside.ts'
import { configOf } from './pmxcfs.ts'
import { reboot, shutdown, start, stop } from './power.ts'
import { uptimeOf } from './pvesh.ts'
import { deleteSnapshot, listSnapshots, rollback, snapshot } from './snapshots.ts'
import { changeState, type Guest, readState } from './state.ts'

export type Command = (call: Program & Parsed & { vmid: number; guest: Guest }) => number | Promise<number>

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function status({ guest, options }: { guest: Guest; options: Parsed['options'] }): number {
  print(`status: ${guest.status}`)
  if (options.verbose === '1') print(`uptime: ${uptimeOf(guest)}\nvmid: ${guest.vmid}`)
  return 0
}

function config({ guest }: { guest: Guest }): number {
  const all = configOf(guest)
  for (const key of Object.keys(all).sort()) print(`${key}: ${all[key]}`)
  return 0
}

const unlock: Command = ({ folder, node, vmid }) => {
  changeState(folder, (state) => {
    const { config } = guestOf(state, node, 'lxc', vmid)
    if (!config.lock) throw new Died('no lock found trying to remove any lock')
    delete config.lock
  })
  return 0
}

/** Version 9 gives no environment on; before, it is the caller's. */
function environment(folder: string, keep: string | undefined): NodeJS.ProcessEnv {
  // Ours, not the caller's.
  delete process.env.NODE_COMPILE_CACHE
  const wanted = keep ?? (Number.parseInt(readState(folder).version, 10) >= 9 ? '0' : '1')
  return wanted === '0'
    ? { container: 'lxc', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    : { ...process.env, container: 'lxc' }
}

const exec: Command = async ({ folder, guest, vmid, positional, rest, options }) => {
  if (guest.status !== 'running') throw new Died(`container '${vmid}' not running!`)
  const command = rest.length > 0 ? rest : positional.slice(1)
  if (command.length === 0) throw new Died('missing command at /usr/share/perl5/PVE/CLI/pct.pm line 190.')
  const missing = (code: number): number => {
    const why = 'No such file or directory - Failed to exec'
    process.stderr.write(
      `lxc-attach: ${vmid}: ../src/lxc/attach.c: lxc_attach_run_command: 1841 ${why} "${command[0]}"\n`,
    )
    return code
  }
  if (!guest.box) {
    const answer = guest.answers[command.join(' ')] ?? guest.answers['*']
    if (!answer) return missing(127)
    process.stdout.write(answer.stdout ?? '')
    process.stderr.write(answer.stderr ?? '')
    return answer.exit ?? 0
  }
  const env = environment(folder, options['keep-env'])
  // nsenter would say in its own words that the command is not there.
  const [program = '', ...args] = command
  const found = inside(guest.box, 'command -v -- "$1" >/dev/null', [program], openNull(), openNull())
  if (found.status !== 0) return missing(127)
  return attach(guest.box, [program, ...args], env, guest.network)
}

const openNull = (): number => openSync('/dev/null', constants.O_RDWR)

// $1: the path; $2: permissions, or nothing. A new file is nobody's to read until it has its permissions.
const RECEIVE = `
if [ ! -e "$1" ]; then
  old=$(umask); umask 777
  set -C; : >"$1" || exit 1; set +C
  umask "$old"
  [ -n "$2" ] || chmod 644 "$1"
fi
[ -z "$2" ] || chmod "$2" "$1"
cat >"$1"
`

const octal = (perms: string | undefined): string => {
  if (perms !== undefined && !/^(0x[0-9a-fA-F]+|[0-7]+)$/.test(perms))
    throw new Died(`invalid mode: '${perms.startsWith('0') ? perms : `0${perms}`}'`)
  if (perms === undefined) return ''
  return (perms.startsWith('0x') ? Number(perms) : Number.parseInt(perms, 8)).toString(8)
}

const push: Command = ({ guest, positional: [, file, destination], options }) => {
  if (!file || !destination) throw new Died('400 not enough arguments')
  const perms = octal(options.perms)
  if (guest.status !== 'running') throw new Died('can only push files to a running CT')
  const source = openFile(file, constants.O_RDONLY, `failed to open ${file} for reading`)
  if (!guest.box) return 0
  const { status } = inside(guest.box, RECEIVE, [destination, perms], source, openNull())
  if (status !== 0) throw new Died(`failed to create file: ${destination}: No such file or directory`)
  return 0
}

const pull: Command = ({ guest, positional: [, path, destination], options }) => {
  if (!path || !destination) throw new Died('400 not enough arguments')
  const perms = octal(options.perms)
  if (guest.status !== 'running') throw new Died('can only pull files from a running VM')
  // It is made before the source is looked at, and stays when there is none.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC
  const target = openFile(destination, flags, `failed to create file: ${destination}`, perms)
  try {
    if (!guest.box) return 0
    const { status } = inside(guest.box, 'cat <"$1"', [path], openNull(), target)
    if (status !== 0) throw new Died(`failed to open ${path}: No such file or directory`, 2)
    return 0
  } finally {
    closeSync(target)
  }
}

function openFile(path: string, flags: number, otherwise: string, perms = ''): number {
  try {
    return openSync(path, flags, perms ? Number.parseInt(perms, 8) : 0o644)
  } catch {
    throw new Died(otherwise)
  }
}

const commands: Record<string, Command> = {
  ...{ status, config, unlock, exec, push, pull, start, stop, shutdown, reboot },
  ...{ snapshot, rollback, delsnapshot: deleteSnapshot, listsnapshot: listSnapshots },
}

export async function pct(program: Program): Promise<number> {
  const [name = '', ...args] = program.args
  const state = readState(program.folder)
  if (name === 'list') {
    const here = state.guests.filter((guest) => guest.node === program.node && guest.type === 'lxc')
    const row = (...cells: string[]) =>
      `${cells[0]?.padEnd(10)} ${cells[1]?.padEnd(10)} ${cells[2]?.padEnd(12)} ${cells[3]?.padEnd(20)}`
    if (here.length > 0) print(row('VMID', 'Status', 'Lock', 'Name'))
    for (const guest of here.sort((a, b) => a.vmid - b.vmid))
      print(row(`${guest.vmid}`, guest.status, guest.config.lock ?? '', guest.name))
    return 0
  }
  const command = commands[name]
  if (!command) throw new Died(`ERROR: unknown command 'pct ${name}'`)
  // What stands behind the command's own arguments belongs to the command of `exec`.
  const end = name === 'exec' && !args.includes('--') ? args.findIndex((word) => !/^(-|\d+$)/.test(word)) : -1
  const parsed = parseArguments(end < 0 ? args : [...args.slice(0, end), '--', ...args.slice(end)])
  const vmid = vmidOf(parsed.positional[0])
  const guest = guestOf(state, program.node, 'lxc', vmid)
  return command({ ...program, ...parsed, vmid, guest })
}
