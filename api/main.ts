import { parseArgs } from 'node:util'
import { FLAGS, readConfig } from '../core/config.ts'
import { StartError } from '../core/errors.ts'
import { type Server, startServer } from './server.ts'

const USAGE = `npm start -- [options]

${Object.entries(FLAGS)
  .map(([flag, variable]) => `  --${flag.padEnd(12)} ${variable}`)
  .join('\n')}

Each option stands for the environment variable beside it. DATABASE_URL uses a PostgreSQL of yours.`

/** A stop that takes longer is one that hangs. */
const STOP_MS = 5000

function environment(): NodeJS.ProcessEnv {
  const options = {
    help: { type: 'boolean' as const },
    ...Object.fromEntries(Object.keys(FLAGS).map(stringFlag)),
  }
  let values: Record<string, unknown>
  try {
    values = parseArgs({ options, strict: true }).values
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${USAGE}`)
  }
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const given = Object.entries(values).map(([flag, value]) => [FLAGS[flag], String(value)])
  return { ...process.env, ...Object.fromEntries(given) }
}

const stringFlag = (flag: string) => [flag, { type: 'string' as const }] as const

function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve(signal))
  })
}

async function main(): Promise<void> {
  const ended = untilSignal()
  // Told to end while still starting, there is nothing to drain: PostgreSQL ends with this process.
  let started = false
  void ended.then(() => started || process.exit(0))
  const server = await startServer(readConfig(environment()))
  started = true
  announce(server)
  const reason = await Promise.race([ended, server.failed])
  const hanging = setTimeout(() => process.exit(1), STOP_MS)
  await server.stop()
  clearTimeout(hanging)
  if (!reason.startsWith('SIG')) throw new StartError(reason)
}

function announce({ url, setupUrl }: Server): void {
  console.log(`Patchbase listens on ${url} (process ${process.pid}).`)
  if (!setupUrl) return
  console.log(`
First run: create the first superuser and user at

  ${setupUrl}

or with: npm run superuser -- upsert EMAIL PASSWORD
`)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof StartError ? error.message : error)
    process.exit(1)
  },
)
