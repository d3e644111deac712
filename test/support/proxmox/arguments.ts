/** Proxmox's command line: positional arguments, `--option value` or `-option=value`, and what stands behind `--`. */
import { Died } from './died.ts'
import type { Guest, State } from './state.ts'

export type Parsed = { positional: string[]; options: Record<string, string>; rest: string[] }

export function parseArguments(args: string[]): Parsed {
  const end = args.indexOf('--')
  const own = end < 0 ? args : args.slice(0, end)
  const parsed: Parsed = { positional: [], options: {}, rest: end < 0 ? [] : args.slice(end + 1) }
  for (let at = 0; at < own.length; at++) {
    const word = own[at] ?? ''
    const option = /^--?([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(word)
    if (option) parsed.options[option[1] ?? ''] = option[2] ?? own[++at] ?? ''
    else parsed.positional.push(word)
  }
  return parsed
}

/** A number from 100 on; the tools refuse everything else before they look. */
export function vmidOf(word: string | undefined): number {
  if (word === undefined) throw new Died('400 not enough arguments')
  const sentence = '400 Parameter verification failed.\nvmid: '
  if (!/^\d+$/.test(word))
    throw new Died(`${sentence}invalid format - value does not look like a valid VM ID`)
  if (Number(word) < 100) throw new Died(`${sentence}value must have a minimum value of 100`)
  return Number(word)
}

/** A guest of another node has no configuration here. */
export function guestOf(state: State, node: string, type: Guest['type'], vmid: number): Guest {
  const guest = state.guests.find((one) => one.vmid === vmid && one.node === node && one.type === type)
  if (guest) return guest
  const below = type === 'lxc' ? 'lxc' : 'qemu-server'
  throw new Died(`Configuration file 'nodes/${node}/${below}/${vmid}.conf' does not exist`, 2)
}
