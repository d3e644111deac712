/** Which transactions a moment has seen: all below `xmin`, none from `xmax` on, and between them not the open ones. */
export type Snapshot = { xmin: number; xmax: number; open: ReadonlySet<number> }

/** Reads what `pg_current_snapshot()` writes: `xmin:xmax:open,open`. */
export function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, open = ''] = text.split(':')
  return {
    xmin: Number(xmin),
    xmax: Number(xmax),
    open: new Set(open === '' ? [] : open.split(',').map(Number)),
  }
}

export const sees = ({ xmin, xmax, open }: Snapshot, xid: number): boolean =>
  xid < xmin || (xid < xmax && !open.has(xid))
