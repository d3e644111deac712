import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

type Step = { commands: string; expected?: string }

/** The commands of a page in their order, each with the output that the page shows after it. */
export function stepsOf(path: string): Step[] {
  const blocks = [...readFileSync(path, 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
  const steps: Step[] = []
  for (const [, kind, text = ''] of blocks) {
    if (kind === 'sh') steps.push({ commands: text })
    else if (kind === 'text') (steps.at(-1) as Step).expected = text
  }
  return steps
}

/** What stands there, where `…` stands for anything on its line. */
export const shown = (expected: string): RegExp =>
  new RegExp(
    `^${expected
      .split('…')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')}$`,
  )

const MARK = '----- that was it -----'

/** One shell for a whole page, as an operator has it open: what a step sets, the next one reads. */
export class Shell implements Disposable {
  readonly #child
  #output = ''
  #heard: () => void = () => undefined

  constructor(env: Record<string, string>) {
    this.#child = spawn('bash', ['-s'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#heard()
      })
    this.#child.once('close', () => this.#heard())
    this.#child.stdin.write('set -euo pipefail\n')
  }

  /** All that the commands print; throws where one of them fails. */
  async run(commands: string): Promise<string> {
    this.#output = ''
    this.#child.stdin.write(`${commands}\necho '${MARK}'\n`)
    while (!this.#output.includes(MARK)) {
      if (this.#child.exitCode !== null)
        throw new Error(`A command has failed:\n${commands}\n${this.#output}`)
      await new Promise<void>((heard) => {
        this.#heard = heard
      })
    }
    return this.#output.replace(`${MARK}\n`, '')
  }

  [Symbol.dispose]() {
    this.#child.kill()
  }
}
