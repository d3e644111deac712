import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { AgentError, reasonOf } from './errors.ts'
import { KEYS_MAX, keyFromPem, type TrustedKey } from './keys.ts'
import { serverOrigin } from './origin.ts'
import { POLICY_FILE, type PolicyPlace } from './policy.ts'
import { defaultStateDir } from './state.ts'
import { Timings } from './timings.ts'

export const USAGE = `Usage: npm run agent -- COMMAND [OPTIONS]

  register --server URL [--token T | --token-file FILE] [--trusted-key FILE]... [--force]
           Enrols this machine: with an enrolment token ("-" reads it from standard input),
           or else with a code that somebody approves in the browser. With --trusted-key
           it runs what the holder of that public key has signed, and nothing that the server has.
  run      Works until it is stopped.
  status   Shows what the state folder says.

  All of them:
  --state-dir DIR   What the agent keeps; ${defaultStateDir()}.
  --policy FILE     What the administrator of this machine allows; ${POLICY_FILE} where it is there.
`

export type Command =
  | {
      command: 'register'
      server: string
      token: string | undefined
      trustedKeys: TrustedKey[]
      force: boolean
      common: Common
    }
  | { command: 'run' | 'status'; common: Common }
  | { command: 'help' }
export type Common = { stateDir: string; policy: PolicyPlace; timings: Timings; root: string }

const options = {
  'state-dir': { type: 'string' },
  policy: { type: 'string' },
  server: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  'trusted-key': { type: 'string', multiple: true },
  force: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  // For tests: a shorter beat, any other wait as JSON, and another root of the file system.
  'heartbeat-seconds': { type: 'string' },
  timings: { type: 'string' },
  root: { type: 'string' },
} as const
const REGISTER_ONLY = ['server', 'token', 'token-file', 'trusted-key', 'force'] as const

type Values = ReturnType<typeof parse>['values']
const parse = (argv: string[]) => parseArgs({ args: argv, options, allowPositionals: true, strict: true })

/** Reads the command line; everything wrong with it is an `AgentError` that names the option. */
export const readCommand = (argv: string[]): Command => {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(argv)
  } catch (error) {
    throw new AgentError(`${reasonOf(error)}\n\n${USAGE}`)
  }
  const { values, positionals } = parsed
  const [command, ...rest] = positionals
  if (values.help || command === 'help') return { command: 'help' }
  if (rest.length > 0) throw new AgentError(`"${rest[0]}" is one word too many.\n\n${USAGE}`)
  if (command !== 'register' && command !== 'run' && command !== 'status')
    throw new AgentError(
      `${command === undefined ? 'A command is missing.' : `"${command}" is no command.`}\n\n${USAGE}`,
    )
  const common = readCommon(values)
  if (command !== 'register') {
    const stray = REGISTER_ONLY.find((name) => values[name] !== undefined)
    if (stray) throw new AgentError(`--${stray} belongs to "register", not to "${command}".`)
    return { command, common }
  }
  if (!values.server) throw new AgentError('--server URL is missing: the address of the Patchbase server.')
  const server = serverOrigin(values.server)
  const trustedKeys = readTrustedKeys(values)
  return { command, server, token: readToken(values), trustedKeys, force: values.force ?? false, common }
}

const readCommon = (values: Values): Common => {
  const seconds = values['heartbeat-seconds']
  let json: unknown
  try {
    json = JSON.parse(values.timings ?? '{}')
  } catch (error) {
    throw new AgentError(`--timings is not JSON: ${reasonOf(error)}.`)
  }
  const timings = Timings.safeParse({
    ...(json as object),
    ...(seconds === undefined ? {} : { heartbeatMs: Number(seconds) * 1000 }),
  })
  if (!timings.success)
    throw new AgentError(`--timings or --heartbeat-seconds: ${timings.error.issues[0]?.message}.`)
  const stateDir = resolve(values['state-dir'] ?? defaultStateDir())
  const policy = { file: resolve(values.policy ?? POLICY_FILE), required: values.policy !== undefined }
  return { stateDir, policy, timings: timings.data, root: values.root ?? '/' }
}

const readTrustedKeys = ({ 'trusted-key': files = [] }: Values): TrustedKey[] => {
  if (files.length > KEYS_MAX) throw new AgentError(`--trusted-key: at most ${KEYS_MAX} keys are accepted.`)
  return files.map((file) => {
    const named = `--trusted-key ${file}`
    return keyFromPem(readNamed(file, named), named)
  })
}

/** The enrolment token from the command line, a file or standard input; undefined where none was named. */
const readToken = (values: Values): string | undefined => {
  const { token, 'token-file': file } = values
  if (token !== undefined && file !== undefined)
    throw new AgentError('--token and --token-file exclude each other; leave one of them out.')
  if (token === undefined && file === undefined) return undefined
  const named = file !== undefined && file !== '-' ? `--token-file ${file}` : '--token'
  const text = token !== undefined && token !== '-' ? token : readNamed(file ?? '-', named)
  if (text.trim() === '') throw new AgentError(`${named} gives an empty token.`)
  return text.trim()
}

/** `-` is standard input. */
const readNamed = (file: string, named: string) => {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new AgentError(`${named} cannot be read: ${reasonOf(error)}.`)
  }
}
