import type { ServerResponse } from 'node:http'
import type { Stream } from '../core/realtime/client.ts'

/** What may wait for one slow reader when the next event comes; an event itself may be larger. */
const WAITING_BYTES_MAX = 1_048_576
/** What may wait for all readers together. */
const ALL_WAITING_BYTES_MAX = 128 * 1_048_576

export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}

/** The readers of one server, and how much waits for them. */
export function eventQueues() {
  let allWaiting = 0

  /** A response as a stream of events. The raw response: a stream through the framework would cost twice the memory. */
  return (outgoing: ServerResponse): Stream => {
    let waiting = 0
    let taken = 0
    let takenBefore = -1

    const cut = (): false => {
      outgoing.destroy()
      return false
    }
    return {
      send(text) {
        if (outgoing.destroyed || outgoing.writableEnded) return false
        // What the system has taken is not counted here any more, while the callbacks below come a turn later.
        const backlog = outgoing.writableLength
        if (backlog > WAITING_BYTES_MAX || (backlog > 0 && allWaiting > ALL_WAITING_BYTES_MAX)) return cut()
        // With the greeting: until then it may still become an error.
        if (!outgoing.headersSent) outgoing.writeHead(200, STREAM_HEADERS)
        waiting += text.length
        allWaiting += text.length
        outgoing.write(text, () => {
          waiting -= text.length
          allWaiting -= text.length
          taken++
        })
        return true
      },
      isStalled() {
        const stalled = waiting > 0 && taken === takenBefore
        takenBefore = taken
        return stalled
      },
      end() {
        // What waits for a reader who takes nothing would wait for ever.
        if (waiting > 0) outgoing.destroy()
        else outgoing.end()
      },
    }
  }
}
