/**
 * Where the two answer differently on purpose; `docs/pocketbase.md` has the same under "Deliberately different". A
 * case that hits one names it, and an entry that no case hits any more must go. `only` is where they may differ:
 * it is tried on each `path: here ..., PocketBase ...`.
 */
export const differences = {
  hidden: {
    why: 'Hashes of tokens and codes are hidden from superusers too; there, all but the password is shown to them.',
    only: /(_hash|refresh_token_expires|device_code): here nothing/,
  },
  'no-password': {
    why: 'Agents sign in with no password, so none is asked for when one is made.',
    only: /^body\.data\.(user_id|password|passwordConfirm): /,
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
} as const satisfies Record<string, { why: string; only: RegExp }>

export type Known = keyof typeof differences
