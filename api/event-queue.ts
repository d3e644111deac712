import type { ServerResponse } from 'node:http'
import type { Stream } from '../core/realtime/client.ts'

/** What may wait for one slow reader when the next event comes; an event itself may be larger. */
const WAITING_BYTES_MAX = 1_048_576
/** What may wait for all readers together. */
const ALL_WAITING_BYTES_MAX = 128 * 1_048_576

/** More than that is offered to the system at once, to see whether it takes it. */
const HELD_BYTES = 65_536

export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}

/** The readers of one server, and how much waits for them. */
export function eventQueues(allWaitingMax = ALL_WAITING_BYTES_MAX) {
  let allWaiting = 0

  /** A response as a stream of events. The raw response: a stream through the framework would cost twice the memory. */
  return (outgoing: ServerResponse): Stream => {
    let waiting = 0
    let taken = 0
    let takenBefore = -1
    let gone = false

    /** What waited need not be told of: nothing is, of an answer that never had its turn on the connection. */
    const destroy = () => {
      gone = true
      allWaiting -= waiting
      waiting = 0
      outgoing.destroy()
    }
    const cut = (): false => {
      destroy()
      return false
    }
    return {
      send(text) {
        if (gone || outgoing.destroyed || outgoing.writableEnded) return false
        const backlog = backlogOf(outgoing)
        if (backlog > WAITING_BYTES_MAX || (backlog > 0 && allWaiting > allWaitingMax)) return cut()
        // With the greeting: until then it may still become an error.
        if (!outgoing.headersSent) outgoing.writeHead(200, STREAM_HEADERS)
        waiting += text.length
        allWaiting += text.length
        outgoing.write(text, () => {
          if (gone) return
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
        if (waiting > 0) destroy()
        else outgoing.end()
      },
    }
  }
}

/** What the system has not taken. Node holds back what is written in one turn, which is not the reader's fault. */
function backlogOf(outgoing: ServerResponse): number {
  const { socket } = outgoing
  if (socket && socket.writableCorked > 0 && outgoing.writableLength > HELD_BYTES) socket.uncork()
  return outgoing.writableLength
}
