/** `script` with the lines between the first and the last of `common` as they stand there. Throws where they are missing. */
export function withCommon(script: string, common: string): string {
  const lines = common.trimEnd().split('\n')
  const [first = '', last = ''] = [lines[0], lines.at(-1)]
  const start = script.indexOf(`${first}\n`)
  const end = script.indexOf(`\n${last}\n`)
  if (start < 0 || end < start)
    throw new Error(`A script lacks the lines that the shared part stands between: "${first}", "${last}".`)
  return script.slice(0, start) + common.trimEnd() + script.slice(end + 1 + last.length)
}
