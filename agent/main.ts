/**
 * The agent: one process on each host that asks its server for work. It speaks HTTP alone and shares types, never
 * code, with the server. Read next: run.ts (the whole at a glance), delivery.ts (finding work), operation.ts (one
 * piece of work), guard.ts (what stands before it), journal.ts (what survives).
 */
import { readCommand, USAGE } from './cli.ts'
import { AgentError, reasonOf } from './errors.ts'
import { createLog } from './log.ts'
import { register } from './register.ts'
import { run } from './run.ts'
import { statusLines } from './status.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

const main = async () => {
  const log = createLog()
  const command = readCommand(process.argv.slice(2))
  if (command.command === 'help') return say(USAGE)
  const { stateDir, policy, timings, root } = command.common
  if (command.command === 'status') return statusLines(stateDir, policy).forEach(say)
  if (command.command === 'register') {
    const { server, token, trustedKeys, force } = command
    const { protocol, hostname } = new URL(server)
    if (protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname))
      say(`Warning: ${server} is not encrypted; tokens and results can be read on the way.`)
    const id = await register({
      ...{ server, token, trustedKeys, force, stateDir, policy },
      ...{ timings, root, say },
    })
    return say(`Registered with ${server} as agent ${id}. Start it with "npm run agent -- run".`)
  }
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort())
  await run({ stateDir, policy, timings, log, root, stop: stopping.signal })
}

try {
  await main()
  process.exit(0)
} catch (error) {
  process.stderr.write(
    `${error instanceof AgentError ? error.message : `The agent failed: ${reasonOf(error)}`}\n`,
  )
  process.exit(error instanceof AgentError ? error.exitCode : 1)
}
