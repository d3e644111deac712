import type { Difference } from './compare.ts'

/**
 * Where the two answer differently on purpose; `docs/pocketbase.md` has the same under "Deliberately different". A
 * case that hits one names it, and an entry that no case hits any more must go. `only` is where they may differ:
 * it is tried on each `path: here ..., PocketBase ...`. What is `everywhere` needs no case to name it.
 */
export const differences = {
  'private-files': {
    why: 'Files are for those who may see the record, so no cache that many share keeps them.',
    only: /^headers\.cache-control: here "private, (.*)", PocketBase "\1"$/,
    everywhere: true,
  },
  hidden: {
    why: 'Hashes of tokens and codes are hidden from superusers too; there, all but the password is shown to them.',
    only: /(_hash|refresh_token_expires|device_code): here nothing/,
  },
  'no-password': {
    why: 'Agents sign in with no password, so none is asked for when one is made.',
    only: /^body\.data\.(user_id|password|passwordConfirm): /,
  },
  guests: {
    why: 'A guest has no id that an empty relation could equal; there, he sees and changes whatever has no owner.',
    only: /./,
  },
  barred: {
    why: 'A revoked agent is nobody at once; there, the rule is asked at sign-in only.',
    only: /./,
  },
  'own-ids': {
    why: 'Ids of accounts are chosen by the server: one that was somebody must not become somebody else.',
    only: /./,
  },
  guessing: {
    why: 'Sign-ins are counted, and the eleventh within a minute is refused.',
    only: /^(status: here 429|headers\.retry-after|body\.(status|message))/,
  },
  'file-authorization': {
    why: 'A file can be fetched with a token in Authorization, as everything else: agents have no other.',
    only: /./,
  },
  'filter-budget': {
    why: 'A filter of a client asks for 30 ~ at most: one reader must not slow all others down.',
    only: /^(status: here 400|body\.)/,
  },
  'plain-over-hidden': {
    why: 'A plain operator asks about all related records, so it holds only where the caller may list them all.',
    only: /^body\.(items|totalItems)/,
  },
  'number-and-text': {
    why: 'A number and a text have no order between them; there, any text is greater than any number.',
    only: /^body\.(items|totalItems|totalPages)/,
  },
  'number-as-text': {
    why: 'The text of a very large number is 1e+21, as in JSON; there, 1.0e+21.',
    only: /^body\.(items|totalItems)/,
  },
  'odd-modifiers': {
    why: 'A modifier that means nothing to its operand is ignored, always; there, :lower of a number and :length of json are something else.',
    only: /^body\.(items|totalItems|totalPages)/,
  },
  strftime: {
    why: 'A strftime that cannot give anything (no such format, no date) is refused; there, it is null.',
    only: /^(status: here 400|body\.)/,
  },
  'missing-related': {
    why: 'Where all related records must have a value, one that leads nowhere has it not; there, = overlooks it.',
    only: /^body\.(items|totalItems|totalPages)/,
  },
  'json-end': {
    why: 'Something behind the JSON value makes it no JSON; there, it is not looked at.',
    only: /^(status: here 400|body\.)/,
  },
  'wrong-step': {
    why: 'A wrong step spoils its path of expand even where no record would have been reached by it.',
    only: /^body\.(items\.\d+\.)?expand/,
  },
  'fields-first': {
    why: 'Where fields cannot be read nothing is written; there, the answer is the same after the write.',
    only: /./,
  },
  'own-words': {
    why: 'Some messages say more than there: what to do, or what is meant. All else of the answer is the same.',
    only: /^body\.(.+\.)?message: /,
  },
  'no-nul': {
    why: 'U+0000 is refused in any text: PostgreSQL cannot hold it.',
    only: /^(body\.|status: here 400)/,
  },
  'system-collections': {
    why: 'Of the collections that are its own, only _superusers is here.',
    only: /^body\.(totalItems|totalPages|items\.\d+)/,
  },
  'null-request': {
    why: 'A batch with null for a request is a bad request; there it is an error of the server.',
    only: /^(status|body\.(status|message|data\.requests)): here/,
  },
  'superuser-streams': {
    why: "A superuser's stream may filter through any relation; there, list rules of others are in the way.",
    only: /^\d+: here \{.*, PocketBase nothing$/,
  },
} as const satisfies Record<string, { why: string; only: RegExp; everywhere?: true }>

export type Known = keyof typeof differences

/** The same without what differs everywhere; `hit` takes down which that was. */
export function withoutEverywhere(found: readonly Difference[], hit: Set<string>): Difference[] {
  const everywhere = Object.entries(differences).filter(([, entry]) => 'everywhere' in entry)
  const isNew = (line: string) => {
    const [name] = everywhere.find(([, { only }]) => only.test(line)) ?? []
    if (name) hit.add(name)
    return !name
  }
  return found
    .map(({ what, lines }) => ({ what, lines: lines.filter(isNew) }))
    .filter(({ lines }) => lines.length > 0)
}
