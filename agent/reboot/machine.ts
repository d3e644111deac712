import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { binaryOf } from '../facts.ts'
import { bootId } from '../process.ts'

/** A container as `POST /api/proxmox/lxc` takes it; undefined where this host has none of that number. */
export type ReadGuest = (vmid: number) => Promise<Record<string, unknown> | undefined>

/** This machine and its containers, as far as restarting them goes. Commands are argument arrays. */
export type RebootMachine = {
  bootId(): string
  /** Undefined where the host has no command for it. */
  hostCommand(): string[] | undefined
  guestCommand(vmid: number, shutdownSeconds: number): string[] | undefined
  readGuest: ReadGuest
}

/** The machine whose file system starts at `root`; the commands are those that lie there. */
export const rebootMachine = (root: string, readGuest: ReadGuest): RebootMachine => ({
  bootId: () => bootId(root),

  hostCommand() {
    const systemctl = existsSync(join(root, 'run/systemd/system')) && binaryOf(root, 'systemctl')
    if (systemctl) return [systemctl, 'reboot']
    const shutdown = binaryOf(root, 'shutdown')
    if (shutdown) return [shutdown, '-r', 'now']
    const reboot = binaryOf(root, 'reboot')
    return reboot ? [reboot] : undefined
  },

  guestCommand(vmid, shutdownSeconds) {
    const pct = binaryOf(root, 'pct')
    return pct ? [pct, 'reboot', `${vmid}`, '--timeout', `${shutdownSeconds}`] : undefined
  },

  readGuest,
})
