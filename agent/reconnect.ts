/** What PocketBase's SDK waits before it opens a lost stream again, in milliseconds; the last one repeats. */
const WAITS_MS = [200, 300, 500, 1000, 1200, 1500, 2000]

/**
 * The waits of one agent. Each its own: a fleet that lost its server at one moment would otherwise knock at one
 * moment, again and again, for as long as the server is away.
 */
export const reconnectWaits = (random = Math.random): number[] =>
  WAITS_MS.map((ms) => Math.round(ms * (0.5 + random())))
