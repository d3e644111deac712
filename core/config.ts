import { resolve } from 'node:path'
import { z } from 'zod'
import { StartError } from './errors.ts'
import { type MailConfig, mailConfig } from './mail/config.ts'

const schema = z.object({
  PATCHBASE_HOST: z.string().min(1).default('127.0.0.1'),
  PATCHBASE_PORT: z.coerce.number().int().min(0).max(65_535).default(8090),
  PATCHBASE_DATA_DIR: z.string().min(1).default('./data'),
  PATCHBASE_FILES_DIR: z.string().min(1).optional(),
  PATCHBASE_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  PATCHBASE_SIGNUP: z.enum(['open', 'closed']).default('closed'),
  PATCHBASE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  PATCHBASE_SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
  PATCHBASE_MAIL_FROM: z.string().optional(),
})

export type Config = {
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly filesDir: string
  /** Origin that links are made with; never taken from a request. Unset: the address listened on. */
  readonly publicUrl?: string
  readonly signup: 'open' | 'closed'
  readonly logLevel: string
  readonly databaseUrl?: string
  readonly redisUrl?: string
  /** Unset: no mail is sent. */
  readonly mail?: MailConfig
}

/** Reads the environment once; nobody else looks at it. Throws StartError naming the variable and the remedy. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const known = Object.keys(schema.shape)
  for (const name of Object.keys(env))
    if (name.startsWith('PATCHBASE_') && !name.startsWith('PATCHBASE_AGENT_') && !known.includes(name))
      throw new StartError(`${name} is not a setting of Patchbase; did you mean ${closest(name, known)}?`)
  const given = Object.fromEntries(known.filter((name) => env[name]).map((name) => [name, env[name]]))
  const parsed = schema.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new StartError(`${String(issue?.path[0])} is not usable: ${issue?.message}.`)
  }
  const values = parsed.data
  const dataDir = resolve(values.PATCHBASE_DATA_DIR)
  return Object.freeze({
    host: values.PATCHBASE_HOST,
    port: values.PATCHBASE_PORT,
    dataDir,
    filesDir: resolve(values.PATCHBASE_FILES_DIR ?? `${dataDir}/files`),
    publicUrl: values.PATCHBASE_PUBLIC_URL?.replace(/\/+$/, ''),
    signup: values.PATCHBASE_SIGNUP,
    logLevel: values.PATCHBASE_LOG_LEVEL,
    databaseUrl: values.DATABASE_URL,
    redisUrl: values.REDIS_URL,
    mail: mailConfig(values.PATCHBASE_SMTP_URL, values.PATCHBASE_MAIL_FROM),
  })
}

/** The flags of `npm start --`, as the variables they stand for. */
export const FLAGS: Record<string, string> = {
  host: 'PATCHBASE_HOST',
  port: 'PATCHBASE_PORT',
  'data-dir': 'PATCHBASE_DATA_DIR',
  'files-dir': 'PATCHBASE_FILES_DIR',
  'public-url': 'PATCHBASE_PUBLIC_URL',
  signup: 'PATCHBASE_SIGNUP',
  'log-level': 'PATCHBASE_LOG_LEVEL',
}

/** The known name that shares most letter pairs with the wrong one. */
function closest(name: string, known: string[]): string {
  const pairs = (text: string) => new Set(Array.from(text.slice(1), (letter, at) => text[at] + letter))
  const wanted = pairs(name)
  const score = (candidate: string) => pairs(candidate).intersection(wanted).size / candidate.length
  return known.reduce((best, candidate) => (score(candidate) > score(best) ? candidate : best))
}
