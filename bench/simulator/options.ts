import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { SimulatorError } from './errors.ts'

export const USAGE = `npm run sim -- [OPTIONS]

  --agents N             how many (default 1000)
  --scenario NAME        patch: one operation for each agent, as fast as the server takes them (default)
                         schedule: every agent has a schedule, all due in the same minute
                         steady: a few operations each second, for --seconds
                         idle: streams and heartbeats alone, for --seconds
                         reconnect: the server is killed and started again while operations run
  --chaos                connections break, answers are lost, late or asked for twice, streams stall
  --seed N               of the chaos (default 1)
  --mode MODE            apply (default) or dry-run
  --run-seconds A[..B]   how long a script takes (default 0.5..5)
  --heartbeat-seconds N  (default 30)
  --rate N               operations per second of "steady" (default 20)
  --seconds N            of "steady" and "idle" (default 30)
  --batch N              operations per request where the server takes batches (default 50; 1: none)
  --limit-seconds N      after this the run has failed (default 600)
  --json FILE            writes the report as JSON; - for standard output
  --profile DIR          writes a CPU profile of the own server there

Without --server it starts a server of its own and removes it. Otherwise:
  --server URL           this one
  --user EMAIL --password-file FILE    the user whose agents they will be; "-" reads standard input
  --token-file FILE      or a token of this user
  --keep                 leaves the agents there
`

const positive = z.coerce.number().positive()
const count = z.coerce.number().int().positive()

const Options = z
  .strictObject({
    agents: count.max(100_000).default(1000),
    scenario: z.enum(['patch', 'schedule', 'steady', 'idle', 'reconnect']).default('patch'),
    chaos: z.boolean().default(false),
    seed: z.coerce.number().int().nonnegative().default(1),
    mode: z.enum(['apply', 'dry-run']).default('apply'),
    'run-seconds': z
      .string()
      .regex(/^\d+(\.\d+)?(\.\.\d+(\.\d+)?)?$/, 'must be seconds such as 2 or 0.5..5')
      .default('0.5..5'),
    'heartbeat-seconds': positive.default(30),
    rate: positive.default(20),
    seconds: positive.default(30),
    batch: count.max(1000).default(50),
    'limit-seconds': positive.default(600),
    json: z.string().optional(),
    profile: z.string().optional(),
    server: z.url({ protocol: /^https?$/ }).optional(),
    user: z.string().optional(),
    'password-file': z.string().optional(),
    'token-file': z.string().optional(),
    keep: z.boolean().default(false),
    help: z.boolean().default(false),
  })
  .refine(({ scenario, server }) => scenario !== 'reconnect' || !server, {
    path: ['scenario'],
    message: 'reconnect kills the server, so it takes its own: leave --server out',
  })
  .refine(({ profile, server }) => !profile || !server, {
    path: ['profile'],
    message: 'only the own server can be profiled: leave --server out',
  })
  .refine(({ server, user, ...given }) => server || !(user || given['token-file'] || given.keep), {
    path: ['server'],
    message: 'is missing: --user, --token-file and --keep belong to it',
  })
  .refine(
    ({ server, user, ...given }) => !server || given['token-file'] || (user && given['password-file']),
    {
      path: ['user'],
      message: 'and --password-file, or --token-file, must say whose agents they will be',
    },
  )

export type Options = z.infer<typeof Options>

/** Everything wrong with the command line is a SimulatorError that names the option. */
export function readOptions(argv: string[]): Options {
  const flags = ['chaos', 'keep', 'help']
  const options = Object.fromEntries(
    Object.keys(Options.shape).map((name) => [
      name,
      { type: flags.includes(name) ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  let values: Record<string, unknown>
  try {
    values = parseArgs({ args: argv, options, strict: true }).values
  } catch (error) {
    throw new SimulatorError(`${(error as Error).message}\n\n${USAGE}`)
  }
  const parsed = Options.safeParse({ ...values })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SimulatorError(`--${String(issue?.path[0])}: ${issue?.message}.`)
}

/** The shortest and the longest run of a script, ms. */
export function runRange(text: string): [number, number] {
  const [least = 0, most = least] = text.split('..').map((seconds) => Number(seconds) * 1000)
  if (most < least) throw new SimulatorError('--run-seconds: the second number is smaller than the first.')
  return [least, most]
}

/** A secret from a file, or from standard input. */
export function readSecret(option: string, file: string): string {
  try {
    const secret = readFileSync(file === '-' ? 0 : file, 'utf8').trim()
    if (secret !== '') return secret
  } catch (error) {
    throw new SimulatorError(`--${option} ${file} cannot be read: ${(error as Error).message}.`)
  }
  throw new SimulatorError(`--${option} ${file} is empty.`)
}
