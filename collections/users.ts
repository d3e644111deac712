import { defineCollection } from '../core/collection.ts'
import { file, text } from '../core/fields/index.ts'

const self = 'id = @request.auth.id'

/** People. Who may create one is decided by PATCHBASE_SIGNUP; see `hooks/users.ts`. */
export const users = defineCollection({
  name: 'users',
  id: '_pb_users_auth_',
  fields: {
    name: text({ max: 255 }),
    avatar: file({ maxBytes: 5 * 1_048_576 }),
  },
  rules: { list: self, view: self, create: '', update: self, delete: self },
  auth: { tokenSeconds: 432_000, password: true, refreshable: true, otpSeconds: 180 },
})
