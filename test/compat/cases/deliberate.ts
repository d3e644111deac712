import { type Case, each, filters, flow, form, list } from '../request.ts'
import { HIDING } from './related.ts'

const LOGIN = '/api/collections/users/auth-with-password'

/** Where the two are not to agree; each names its entry in `differences.ts`. */
export const deliberate: Case[] = [
  ...each(
    [
      'guest GET notes',
      'guest GET notes/note00000000001',
      'guest PATCH notes/note00000000001 {"text":"of nobody"}',
      'guest POST notes {"id":"note00000000009","text":"of nobody"}',
    ],
    'guests',
  ),
  flow(
    'an agent that is revoked and comes back',
    [
      'root PATCH agents/$other {"status":"revoked"}',
      'other GET patch_operations',
      'other GET agents/$other',
      'root PATCH agents/$other {"status":"active"}',
      'other GET patch_operations?skipTotal=1&perPage=1',
    ],
    'barred',
  ),
  ...each(
    [
      'root GET agents',
      'root GET agents/$agent',
      'root PATCH agents/$agent {"tags":["x"]}',
      'root GET device_codes',
      'root GET package_exceptions?expand=agent_id,user_id,lxc_id.node_id',
    ],
    'hidden',
  ),
  ...each(['root POST agents {"hostname":"x"}'], 'no-password'),
  ...each(['root GET /api/collections?fields=name'], 'system-collections'),
  ...each(['alice PATCH package_exceptions/exc000000000001 {"package_name":"**"}'], 'own-words'),
  flow(
    'a required relation without cascade refuses the delete',
    [
      'root POST users {"email":"owner@example.com","password":"correct horse","passwordConfirm":"correct horse"}',
      'root DELETE users/$bob',
      'root GET users/$bob',
    ],
    'own-words',
  ),
  ...each(
    ['guest POST things {"title":"a\\u0000b"}', 'guest POST things {"title":"nul","data":"\\u0000"}'],
    'no-nul',
  ),
  ...each(['guest POST /api/batch {"requests":[null]}'], 'null-request'),
  ...each(
    ['guest GET things/thing0000000004?expand=other.box.nothing', 'guest GET boxes?expand=thing.box.nothing'],
    'wrong-step',
  ),
  flow(
    'a write whose fields cannot be read',
    [
      'guest POST things?fields=a:b {"id":"fld000000000009","title":"unread"}',
      'guest GET things/fld000000000009',
      'root DELETE things/fld000000000009',
    ],
    'fields-first',
  ),
  flow(
    'an id for an account',
    [
      'made = root POST users {"id":"chosen000000001","email":"chosen@example.com","password":"correct horse","passwordConfirm":"correct horse"}',
      'root GET users/chosen000000001',
      'root DELETE users/$made.id',
    ],
    'own-ids',
  ),
  flow(
    'guessing a password',
    Array.from(
      { length: 11 },
      () => `guest POST ${LOGIN} {"identity":"guessed@example.com","password":"wrong"}`,
    ),
    'guessing',
  ),
  flow(
    'a download with Authorization',
    [
      form(
        'root',
        'POST',
        'boxes',
        [
          { name: 'name', text: 'authorized' },
          { name: 'owner', text: '$alice' },
          { name: 'doc', file: 'boxed.txt', content: 'content' },
        ],
        'made',
      ),
      'guest GET /api/files/boxes/$made.id/$made.doc',
      'bob GET /api/files/boxes/$made.id/$made.doc',
      'alice GET /api/files/boxes/$made.id/$made.doc',
      'root DELETE boxes/$made.id',
    ],
    'file-authorization',
  ),
  ...each(['guest POST things {"title":"typed"} and more'], 'json-end'),
  list(
    'guest',
    'things',
    { filter: Array.from({ length: 31 }, () => 'title ~ "first"').join(' && '), fields: 'id' },
    'filter-budget',
  ),
  ...filters('alice', 'things', [HIDING], 'plain-over-hidden'),
  ...filters(
    'guest',
    'things',
    ['note > 41', 'at > 2024', 'data > 5', '"2" > 10', 'strftime("%Y", at) > 2020'],
    'number-and-text',
  ),
  ...filters('root', 'things', ['@request.query.perPage > 50'], 'number-and-text'),
  ...filters('guest', 'things', ['ratio ~ "."'], 'number-as-text'),
  ...filters(
    'guest',
    'things',
    ['data:length > 0', 'data.a:lower = "1"', 'amount:lower = 1'],
    'odd-modifiers',
  ),
  ...filters('root', 'things', ['@request.auth.id:isset = true'], 'odd-modifiers'),
  ...filters(
    'guest',
    'things',
    ['strftime("%Y", title) = ""', 'strftime("%Q", at) = ""', 'strftime("%Y", at, "nonsense") = ""'],
    'strftime',
  ),
  ...filters('root', 'things', ['things_via_other.boxes_via_thing.open = true'], 'missing-related'),
]
