/** Where the engine takes the time from; tests bring their own. */
export type Clock = () => Date

export const systemClock: Clock = () => new Date()
