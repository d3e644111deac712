/** The fake `qm`: it only tells. */
import { guestOf, vmidOf } from './arguments.ts'
import { Died, type Program } from './died.ts'
import { configOf } from './pmxcfs.ts'
import { readState } from './state.ts'

const print = (line: string): void => void process.stdout.write(`${line}\n`)

export function qm({ folder, node, args: [name = '', word] }: Program): number {
  const state = readState(folder)
  if (name === 'list') {
    const here = state.guests.filter((guest) => guest.node === node && guest.type === 'qemu')
    const cell = (text: string, width: number) => text.padStart(width)
    const row = (id: string, title: string, status: string, memory: string, disk: string, pid: string) =>
      print(
        `${cell(id, 10)} ${title.padEnd(20)} ${status.padEnd(10)} ${memory.padEnd(10)} ${cell(disk, 12)} ${pid.padEnd(10)}`,
      )
    if (here.length > 0) row('VMID', 'NAME', 'STATUS', 'MEM(MB)', 'BOOTDISK(GB)', 'PID')
    for (const { vmid, name: title, status } of here.sort((a, b) => a.vmid - b.vmid))
      row(`${vmid}`, title, status, '2048', '32.00', status === 'running' ? `${vmid}0` : '0')
    return 0
  }
  if (name !== 'status' && name !== 'config') throw new Died(`ERROR: unknown command 'qm ${name}'`)
  const guest = guestOf(state, node, 'qemu', vmidOf(word))
  if (name === 'status') print(`status: ${guest.status}`)
  else for (const [key, value] of Object.entries(configOf(guest)).sort()) print(`${key}: ${value}`)
  return 0
}
