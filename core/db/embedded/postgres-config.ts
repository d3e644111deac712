import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account } from './child.ts'
import type { DataFolder } from './data-folder.ts'
import { onPath } from './start-errors.ts'

/** The role that owns the cluster: the bootstrap superuser. The server uses it at start only. */
export const adminRole = 'patchbase_admin'
/** The role the server works as: no superuser, owner of one database. */
export const appRole = 'patchbase'
export const appDatabase = 'patchbase'
export const port = 5432

/**
 * PostgreSQL gets its folders as open descriptors, because its account may not be allowed to enter the folders
 * above them (a data folder under /root). The order is that of the child's descriptors from 3 on.
 */
export const childPath = { cluster: '/proc/self/fd/3', run: '/proc/self/fd/4', conf: '/proc/self/fd/5' }

const settings: Record<string, string | number> = {
  listen_addresses: '',
  port,
  unix_socket_directories: childPath.run,
  unix_socket_permissions: '0700',
  hba_file: `${childPath.conf}/pg_hba.conf`,
  ident_file: `${childPath.conf}/pg_ident.conf`,
  // Settings come from here alone.
  allow_alter_system: 'off',
  max_connections: 60,
  // A backend busy with a long query learns in time that its server, and perhaps the postmaster too, is gone.
  client_connection_check_interval: '5s',
  shared_buffers: '64MB',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  effective_cache_size: '256MB',
  // Files in the cluster: /dev/shm is 64 MB in containers, and systemd clears it when an ordinary user logs out.
  dynamic_shared_memory_type: 'mmap',
  io_method: 'sync',
  max_worker_processes: 2,
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  max_logical_replication_workers: 0,
  autovacuum_max_workers: 2,
  // A minute, the default, is long for a table that has just been filled: without statistics its lists are slow.
  autovacuum_naptime: '15s',
  jit: 'off',
  fsync: 'on',
  // Nothing replicates from this cluster.
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '512MB',
  log_destination: 'stderr',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
  log_timezone: 'UTC',
  timezone: 'UTC',
  datestyle: 'ISO, YMD',
}

/** Writes the three files PostgreSQL reads. `extra` overrides settings (tests turn fsync off). Throws StartError. */
export function writeConfig(
  folder: DataFolder,
  server: Account,
  postgres: Account,
  extra: Record<string, string | number> = {},
): void {
  const lines = Object.entries({ ...settings, ...extra }).map(([name, value]) => `${name} = ${quote(value)}`)
  write(folder, 'postgresql.conf', lines)
  // Peer alone: with "trust" every local user who reaches the socket would be database superuser.
  write(folder, 'pg_hba.conf', ['local all all peer map=patchbase'])
  const accounts = [...new Set([server.name, postgres.name])]
  write(
    folder,
    'pg_ident.conf',
    accounts.flatMap((name) => [appRole, adminRole].map((role) => `patchbase ${mapName(name)} "${role}"`)),
  )
}

/** Written in place: a kill half-way does not matter, the next start writes it again before PostgreSQL reads it. */
function write(folder: DataFolder, name: string, lines: string[]): void {
  const path = join(folder.conf, name)
  onPath(path, () => {
    writeFileSync(path, `${lines.join('\n')}\n`)
    // Whatever the umask: PostgreSQL's account must be able to read it.
    chmodSync(path, 0o644)
  })
}

const quote = (value: string | number) => `'${String(value).replaceAll("'", "''")}'`

const mapName = (name: string) => `"${name.replaceAll('"', '""')}"`
