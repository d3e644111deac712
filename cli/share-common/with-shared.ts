import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * `script`, the text of `<family>/<name>` in `folder`, with the shared parts as they stand in `common.sh`, which is
 * everybody's, and `common-<family>.sh`, where a family has one. Throws where a script has no place for them.
 */
export function withShared(folder: string, name: string, script: string): string {
  return ['common.sh', `common-${dirname(name)}.sh`]
    .map((file) => join(folder, file))
    .filter((path) => existsSync(path))
    .reduce((text, path) => withPart(text, readFileSync(path, 'utf8').trimEnd()), script)
}

/** A part's first and last line mark its place. */
function withPart(script: string, part: string): string {
  const lines = part.split('\n')
  const [first = '', last = ''] = [lines[0], lines.at(-1)]
  const start = script.indexOf(`${first}\n`)
  const end = script.indexOf(`\n${last}\n`)
  if (start < 0 || end < start)
    throw new Error(`A script lacks the lines that a shared part stands between: "${first}", "${last}".`)
  return script.slice(0, start) + part + script.slice(end + 1 + last.length)
}
