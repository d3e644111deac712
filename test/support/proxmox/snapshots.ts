/** Snapshots, as pct makes, lists, restores and deletes them on a ZFS storage. */
import { guestOf } from './arguments.ts'
import { Died } from './died.ts'
import { dropFiles, restoreFiles, saveFiles } from './inside.ts'
import type { Command } from './pct.ts'
import { volumeOf } from './pmxcfs.ts'
import { boot, changeContainer, checkLock, halt } from './power.ts'
import { changeState, type Guest, type Snapshot, type State } from './state.ts'

function nameOf(word: string | undefined): string {
  if (word === undefined) throw new Died('400 not enough arguments')
  const sentence = '400 Parameter verification failed.\nsnapname: '
  if (word.length > 40) throw new Died(`${sentence}value may only be 40 characters long`)
  if (!/^[a-z][\w-]+$/i.test(word))
    throw new Died(`${sentence}invalid format - invalid configuration ID '${word}'`)
  return word
}

/** Nothing below /etc/pve can be written while the cluster has no quorum. */
function mayWrite({ quorate }: State, { node, vmid }: Guest): void {
  const path = `/etc/pve/nodes/${node}/lxc/${vmid}.conf.tmp.${process.pid}`
  if (!quorate) throw new Died(`unable to open file '${path}' - Permission denied`, 13)
}

const existing = (guest: Guest, name: string): Snapshot => {
  const found = guest.snapshots.find((one) => one.name === name)
  if (!found) throw new Died(`snapshot '${name}' does not exist`)
  return found
}

export const snapshot: Command = ({ folder, node, vmid, positional, options }) => {
  const name = nameOf(positional[1])
  if (name === 'current' || name === 'vzdump')
    throw new Died(`unable to use snapshot name '${name}' (reserved name)`)
  changeState(folder, (state) => {
    const guest = guestOf(state, node, 'lxc', vmid)
    if (guest.config.template === '1') throw new Died("you can't take a snapshot if it's a template")
    checkLock(guest)
    if (guest.snapshots.some((one) => one.name === name))
      throw new Died(`snapshot name '${name}' already used`)
    if (!guest.canSnapshot) throw new Died('snapshot feature is not available')
    mayWrite(state, guest)
    if (guest.box) saveFiles(guest.box, name)
    const description = options.description ?? ''
    guest.snapshots.push({ name, at: Date.now(), description, parent: guest.parent })
    guest.parent = name
  })
  return 0
}

export const rollback: Command = ({ folder, node, vmid, positional, options }) => {
  const name = nameOf(positional[1])
  changeState(folder, (state) => {
    const guest = guestOf(state, node, 'lxc', vmid)
    existing(guest, name)
    if (guest.snapshots.at(-1)?.name !== name)
      throw new Died(`can't rollback, '${name}' is not most recent snapshot on '${volumeOf(guest)}'`)
    checkLock(guest)
    mayWrite(state, guest)
    // It is stopped where it runs, and stays so.
    halt(guest)
    if (guest.box) restoreFiles(guest.box, name)
    guest.parent = name
  })
  if (options.start === '1') changeContainer({ folder, node, vmid }, boot)
  return 0
}

export const deleteSnapshot: Command = ({ folder, node, vmid, positional }) => {
  const name = nameOf(positional[1])
  changeState(folder, (state) => {
    const guest = guestOf(state, node, 'lxc', vmid)
    const { parent } = existing(guest, name)
    checkLock(guest)
    mayWrite(state, guest)
    if (guest.box) dropFiles(guest.box, name)
    guest.snapshots = guest.snapshots.filter((one) => one.name !== name)
    for (const one of guest.snapshots) if (one.parent === name) one.parent = parent
    if (guest.parent === name) guest.parent = parent
  })
  return 0
}

const two = (number: number): string => `${number}`.padStart(2, '0')

function timeOf(at: number): string {
  const time = new Date(at)
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`
}

/** A tree by parent, what is older first, and the present as `current`. */
export const listSnapshots: Command = ({ guest }) => {
  const all = [
    ...[...guest.snapshots].sort((a, b) => a.at - b.at),
    { name: 'current', at: 0, description: 'You are here!', parent: guest.parent },
  ]
  const show = (prefix: string, { name, at, description }: Snapshot): void => {
    const width = Math.max(0, 30 - prefix.length)
    const last = (description || 'no-description').split('\n').at(-1)
    process.stdout.write(`${prefix} ${name.padEnd(width)} ${(at ? timeOf(at) : '').padEnd(23)} ${last}\n`)
    for (const child of all) if (child.parent === name) show(` ${prefix}`, child)
  }
  for (const one of all) if (!all.some(({ name }) => name === one.parent)) show('`->', one)
  return 0
}
