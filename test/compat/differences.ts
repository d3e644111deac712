/**
 * Where the two answer differently on purpose; `docs/pocketbase.md` has the same under "Deliberately different". A
 * case that hits one names it, and an entry that no case hits any more must go.
 */
export const differences = {} as const satisfies Record<string, string>

export type Difference = keyof typeof differences
