import postgres from 'postgres'
import { StartError } from '../errors.ts'

/** A URL of the operator's, or the embedded database's socket. */
export type Connection = string | { host: string; port: number; database: string; username: string }

type Options = postgres.Options<Record<string, postgres.PostgresType>>

/** `?host=/run/postgresql` names a folder with a unix socket, as libpq's URLs do and the driver's do not. */
export function connect(connection: Connection, options: Options): postgres.Sql {
  if (typeof connection !== 'string') return postgres({ ...connection, ...options }) as postgres.Sql
  const url = new URL(connection)
  const host = url.searchParams.get('host')
  url.searchParams.delete('host')
  return postgres(url.href, { ...options, ...(host && { host }) }) as postgres.Sql
}

/** The database of the operator's cannot be reached or will not have us: a sentence, without the password. */
export function unreachable(connection: Connection, error: unknown): StartError | undefined {
  if (typeof connection !== 'string' || !(error instanceof Error)) return undefined
  const { code = '' } = error as { code?: string }
  const { host, pathname, searchParams } = new URL(connection)
  const where = `${searchParams.get('host') ?? host}${pathname}`
  if (/^(CONNECT|ECONN|ENOTFOUND|EAI_|ENOENT|ETIMEDOUT|EHOST|ENETU)/.test(code))
    return new StartError(
      `DATABASE_URL leads to ${where}, where no PostgreSQL answers (${code}); start it, or correct the URL.`,
    )
  if (/^(28|3D000)/.test(code))
    return new StartError(`The PostgreSQL at ${where} refuses: ${error.message}; correct DATABASE_URL.`)
  if (code === '42501')
    return new StartError(
      `The role of DATABASE_URL may not create tables in ${where} (${error.message}); let it own the database.`,
    )
  return undefined
}
