// npm run bench [-- --save] [-- --pocketbase PATH]: this server beside PocketBase, in about two minutes.
import { appendFile, mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Benchmark, compare } from './compare.ts'
import { create } from './create.ts'
import { listByField, listByText } from './list.ts'
import { startPatchbase } from './patchbase.ts'
import { startPocketBase } from './pocketbase.ts'
import { findPocketBase } from './pocketbase-binary.ts'
import { realtimeCost, realtimeLatency } from './realtime.ts'
import { heading, SETTLE_SECONDS, table } from './report.ts'
import { view } from './view.ts'
import { fill } from './world.ts'

/** Reading first: creates make the tables larger. */
const BENCHMARKS: Record<string, Benchmark> = {
  view,
  listByField,
  listByText,
  create,
  realtimeLatency,
  realtimeCost,
}
const RESULTS = new URL('./results/', import.meta.url)

async function main(parts: AsyncDisposableStack): Promise<void> {
  const { values } = parseArgs({
    options: {
      save: { type: 'boolean', default: false },
      pocketbase: { type: 'string' },
      only: { type: 'string', multiple: true },
    },
  })
  const chosen = values.only ?? Object.keys(BENCHMARKS)
  for (const name of chosen)
    if (!BENCHMARKS[name])
      throw new Error(`There is no benchmark ${name}; --only takes ${Object.keys(BENCHMARKS).join(', ')}.`)
  const program = await findPocketBase(values.pocketbase)
  const theirs = await startPocketBase(parts, program)
  const ours = await startPatchbase(parts)
  const begun = new Date()
  let text = ''
  const print = (part: string) => {
    process.stdout.write(part)
    text += part
  }
  print(heading(ours, theirs, begun))
  for (const contestant of [ours, theirs]) await fill(contestant)
  await new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000))
  for (const name of chosen) {
    const benchmark = BENCHMARKS[name] as Benchmark
    print(table(benchmark.title, await compare(benchmark, ours, theirs)))
  }
  print(`\n${Math.round((Date.now() - begun.getTime()) / 1000)} s\n`)
  if (!values.save) return
  await mkdir(RESULTS, { recursive: true })
  await appendFile(new URL(`${begun.toISOString().slice(0, 10)}.txt`, RESULTS), `${text}\n`)
}

const parts = new AsyncDisposableStack()
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    interrupted = true
    await parts.disposeAsync()
    process.exit(130)
  })

try {
  await main(parts)
  await parts.disposeAsync()
} catch (error) {
  // An interruption cuts connections; what fails then is no news, and its own end is under way.
  if (!interrupted) {
    console.error(error instanceof Error ? error.message : error)
    await parts.disposeAsync()
    process.exitCode = 1
  }
}
