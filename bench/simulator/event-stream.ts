export type StreamEvent = { id: string; event: string; data: string }

/** Reads server-sent events out of text that comes in any parts. Comments and `retry` are passed over. */
export function eventReader(heard: (event: StreamEvent) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    rest += text
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const block = rest.slice(0, end)
      rest = rest.slice(end + 2)
      const event = { id: '', event: 'message', data: '' }
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':')
        if (colon <= 0) continue
        const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
        if (field === 'data') event.data += event.data === '' ? value : `\n${value}`
        else if (field === 'id' || field === 'event') event[field] = value
      }
      if (event.data !== '') heard(event)
    }
  }
}
