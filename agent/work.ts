/** A piece of work that changes this machine, or may. Of all kinds together, one is done at a time. */
export type Work = {
  id: string
  /**
   * Does it; `halt` asks for its end. Returns the ms to leave it alone for, or undefined where nothing is left to
   * do. Throws where it cannot be gone on with now.
   */
  run(halt: AbortController): Promise<number | undefined>
}

/** What is under way. */
export type Current = { id: string; halt: AbortController }

/** A kind of work: where it is found, and what is done about what was left of it. */
export type Source = {
  /** The collection that it is ordered in. */
  collection: string
  /** Looks at what is ordered and what is known of it. Returns what could be done, the most urgent first. */
  look(current: Current | undefined): Promise<Work[]>
  /** True while something of an earlier run is being ended; nothing begins before. */
  ending(): boolean
}
