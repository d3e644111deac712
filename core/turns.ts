import { fairTurns } from './fair-turns.ts'

/** Does work in its turn: `atOnce` at a time, `queue` waiting, and whoever comes then gets `refusal`. */
export function turns(atOnce: number, queue: number, refusal: () => Error) {
  const inTurn = fairTurns(atOnce, { each: queue, refusal })
  return <T>(work: () => Promise<T>): Promise<T> => inTurn('', work)
}
