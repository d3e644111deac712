/** The tree of a filter as written: names are not looked up yet. Positions count from 0 in the source. */
export type Expr =
  | { kind: 'and' | 'or'; terms: Expr[] }
  | { kind: 'compare'; op: Operator; any: boolean; left: RawOperand; right: RawOperand; at: number }

/** `any` on a comparison is the leading `?`: on a path to many records, one match is enough. */
export type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~' | '!~'

export type RawOperand =
  | { kind: 'constant'; value: string | number | boolean | null; at: number }
  | { kind: 'name'; name: string; at: number }
  | { kind: 'call'; name: string; args: RawOperand[]; at: number }
