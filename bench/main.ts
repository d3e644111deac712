// npm run bench [-- --save] [-- --only NAME] [-- --pocketbase PATH]: this server beside PocketBase.
import { appendFile, mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Benchmark, compare } from './compare.ts'
import { create } from './create.ts'
import { listByField, listByText } from './list.ts'
import { login } from './login.ts'
import { memory } from './memory.ts'
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
  login,
  realtimeLatency,
  realtime100: realtimeCost(100),
  realtime1000: realtimeCost(1000),
  realtime3000: realtimeCost(3000),
  realtime10000: realtimeCost(10_000),
  memory,
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
  const names = Object.keys(BENCHMARKS)
  const chosen = (values.only ?? ['']).flatMap((beginning) => {
    const found = names.includes(beginning) ? [beginning] : names.filter((name) => name.startsWith(beginning))
    if (found.length > 0) return found
    throw new Error(`No benchmark begins with ${beginning}; there are ${names.join(', ')}.`)
  })
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
  const benchmarks = chosen.map((name) => BENCHMARKS[name] as Benchmark)
  if (benchmarks.some(({ fresh }) => !fresh)) {
    for (const contestant of [ours, theirs]) await fill(contestant)
    await new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000))
  }
  for (const benchmark of benchmarks) {
    await using own = new AsyncDisposableStack()
    const [one, other] = benchmark.fresh
      ? [await startPatchbase(own), await startPocketBase(own, program)]
      : [ours, theirs]
    print(table(benchmark.title, await compare(benchmark, one, other)))
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
