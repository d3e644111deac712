// npm run superuser -- upsert EMAIL PASSWORD: creates a superuser or sets his password.
import { parseArgs } from 'node:util'
import { readConfig } from '../core/config.ts'
import { StartError } from '../core/errors.ts'
import { readSecretLine } from './secret-line.ts'
import { openServerApp } from './server-app.ts'
import { upsertSuperuser } from './upsert-superuser.ts'

const USAGE = `npm run superuser -- upsert EMAIL PASSWORD [--data-dir D]

Creates the superuser, or sets his password and ends his sessions; the server may run meanwhile or not.
A PASSWORD of "-" is read from standard input. DATABASE_URL and PATCHBASE_DATA_DIR count as for "npm start".`

type Command = { email: string; password: string; env: NodeJS.ProcessEnv }

// Nothing of the command line is repeated in an error: any word of it may be the password.
function readCommand(): Command | undefined {
  const options = { 'data-dir': { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
  let parsed: ReturnType<typeof parse>
  const parse = () => parseArgs({ options, allowPositionals: true, strict: true })
  try {
    parsed = parse()
  } catch {
    throw new StartError(
      `--data-dir D is the only option; give a PASSWORD that begins with "-" on standard input.\n\n${USAGE}`,
    )
  }
  const { values, positionals } = parsed
  if (values.help) return undefined
  const [command, email, password, ...rest] = positionals
  if (command !== 'upsert') throw new StartError(`The only command is "upsert".\n\n${USAGE}`)
  if (email === undefined || password === undefined)
    throw new StartError(`upsert needs an EMAIL and a PASSWORD.\n\n${USAGE}`)
  if (rest.length > 0)
    throw new StartError(`There are words after the PASSWORD; put one with spaces in quotes.\n\n${USAGE}`)
  const dataDir = values['data-dir']
  return { email, password, env: dataDir ? { ...process.env, PATCHBASE_DATA_DIR: dataDir } : process.env }
}

async function main(): Promise<void> {
  const command = readCommand()
  if (!command) return console.log(USAGE)
  const config = readConfig(command.env)
  const password = command.password === '-' ? await readSecretLine('Password: ') : command.password
  await using server = await openServerApp(config)
  console.log(await upsertSuperuser(server.app, command.email, password))
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof StartError ? error.message : error)
    process.exit(1)
  },
)
