/**
 * Milliseconds before a lost stream is opened again; the last one repeats. They begin as those of PocketBase's SDK
 * and go on growing: a server that is slow under a whole fleet coming back must not be asked more for it.
 */
const WAITS_MS = [200, 300, 500, 1000, 1200, 1500, 2000, 3000, 5000, 8000, 15_000, 20_000]

/** How long a stream may take until it is subscribed. The SDK's 15 s ends streams that a busy server was about to serve. */
export const CONNECT_MS = 30_000

/**
 * The waits of one agent. Each its own: a fleet that lost its server at one moment would otherwise knock at one
 * moment, again and again, for as long as the server is away.
 */
export const reconnectWaits = (random = Math.random): number[] =>
  WAITS_MS.map((ms) => Math.round(ms * (0.5 + random())))
