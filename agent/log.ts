/** One line per event on stdout: time, level, sentence, then `key=value`. Nobody passes a token in here. */
export type Fields = Record<string, string | number | boolean | undefined>
export type Log = {
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
}

const value = (of: string | number | boolean) =>
  /^[\w./:@+-]+$/.test(String(of)) ? String(of) : JSON.stringify(of)

export const formatLine = (at: Date, level: string, message: string, fields: Fields = {}) => {
  const pairs = Object.entries(fields).flatMap(([key, of]) =>
    of === undefined ? [] : [`${key}=${value(of)}`],
  )
  return [at.toISOString(), level, message.replace(/\s+/g, ' '), ...pairs].join(' ')
}

/** Writes to `stream` until it breaks: the reader of a pipe going away must not end the agent. */
export const createLog = (stream: NodeJS.WritableStream = process.stdout): Log => {
  let broken = false
  stream.on('error', () => {
    broken = true
  })
  const write = (level: string) => (message: string, fields?: Fields) => {
    if (!broken) stream.write(`${formatLine(new Date(), level, message, fields)}\n`)
  }
  return { info: write('info'), warn: write('warn') }
}
