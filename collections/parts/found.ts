import type { Rules } from '../../core/collection.ts'
import { computed, relation } from '../../core/fields/index.ts'
import { owner, ownerOrAgent } from './rules.ts'

/** Whose it is, and which agent reported it. */
export const found = {
  agent_id: relation('agents', { required: true, cascade: true }),
  user_id: computed(relation('users', { required: true, cascade: true })),
}

/** Written by what agents find; its owner may only forget it. */
export const foundRules: Rules = {
  list: ownerOrAgent,
  view: ownerOrAgent,
  create: null,
  update: null,
  delete: owner,
}
