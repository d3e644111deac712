import type { Scenario } from '../stream.ts'

const options = (topic: string, given: unknown) =>
  `${topic}?options=${encodeURIComponent(JSON.stringify(given))}`
const topics = (...all: string[]) => JSON.stringify(all).replaceAll('%24', '$')

/** One thing from its making to its end, and one more that stays. */
const life = (id: string): string[] => [
  `root POST things {"id":"${id}","title":"heard","amount":1,"owner":"$alice","other":"thing0000000001"}`,
  `guest PATCH things/${id} {"amount+":4,"kind":"a"}`,
  `guest PATCH things/${id} {}`,
  `guest PATCH things/${id} {"title":""}`,
  `guest PATCH things/${id} {"note":"<b>bold</b> text","other":""}`,
  `guest DELETE things/${id}`,
  `guest DELETE things/${id}`,
]

const EVERYBODY = ['guest', 'alice', 'bob', 'agent', 'other', 'root']
const all = (list: string) => EVERYBODY.map((as) => `l${as} listens as ${as} to ${list}`)

/** Chapter 9. */
export const realtime: Scenario[] = [
  {
    title: 'all records of an open collection',
    lines: [...all(topics('things/*')), ...life('hear00000000001')],
  },
  { title: 'the old form of the topic', lines: [...all(topics('things')), ...life('hear00000000002')] },
  { title: 'one record', lines: [...all(topics('things/hear00000000003')), ...life('hear00000000003')] },
  {
    title: 'several topics at once',
    lines: [...all(topics('things', 'things/*', 'things/hear00000000004')), ...life('hear00000000004')],
  },
  {
    title: 'topics by id, in another case, and of nothing',
    lines: [
      't = guest GET things/thing0000000001',
      'a listens as guest to ["$t.collectionId/*"]',
      'b listens as guest to ["THINGS/*","Things/hear00000000005"]',
      'c listens as guest to ["nothing/*","things/","/","*","things/nothing","","things/*/x","things/HEAR00000000005"]',
      ...life('hear00000000005'),
    ],
  },
  {
    title: 'a filter of its own',
    lines: [
      ...[
        'amount > 3',
        'amount < 3',
        'owner = "$alice"',
        'kind = "a" && title = "heard"',
        'other.title = "first"',
        'other = ""',
        'boxes_via_thing.id = ""',
        'nothing = 1',
        '(',
        '@request.auth.id != ""',
        '@collection.boxes.id ?= ""',
        'note ~ "bold"',
        '',
      ].flatMap((filter, index) => [
        `g${index} listens as guest to ${topics(options('things/*', { query: { filter } }))}`,
        `r${index} listens as root to ${topics(options('things/*', { query: { filter } }))}`,
        `o${index} listens as alice to ${topics(options('things/hear00000000006', { query: { filter } }))}`,
      ]),
      ...life('hear00000000006'),
    ],
  },
  {
    title: 'a filter through accounts, as a superuser',
    lines: [
      `r listens as root to ${topics(options('things/*', { query: { filter: 'owner.name = "Alice"' } }))}`,
      ...life('hear00000000014'),
    ],
    differs: 'superuser-streams',
  },
  {
    title: 'a filter through accounts',
    lines: [
      `g listens as guest to ${topics(options('things/*', { query: { filter: 'owner.name = "Alice"' } }))}`,
      `a listens as alice to ${topics(options('things/*', { query: { filter: 'owner.name = "Alice"' } }))}`,
      `b listens as bob to ${topics(options('things/*', { query: { filter: 'owner.name = "Alice"' } }))}`,
      ...life('hear00000000015'),
    ],
  },
  {
    title: 'fields and expand of its own',
    lines: [
      ...[
        { fields: 'id,title' },
        { fields: 'nothing' },
        { fields: '*,note:excerpt(3)' },
        { fields: 'note:nope' },
        { expand: 'other,owner' },
        { expand: 'owner', fields: 'id,expand.owner.name' },
        { expand: 'nothing' },
        { expand: 'boxes_via_thing' },
        { filter: 'amount > 3', fields: 'amount', expand: 'other.other' },
      ].flatMap((query, index) => [
        `g${index} listens as guest to ${topics(options('things/*', { query }))}`,
        `a${index} listens as alice to ${topics(options('things/*', { query }))}`,
        `r${index} listens as root to ${topics(options('things/*', { query }))}`,
      ]),
      ...life('hear00000000007'),
    ],
  },
  {
    title: 'options that cannot be read',
    lines: [
      'a listens as guest to ["things/*?options=nope"]',
      'b listens as guest to ["things/*?options="]',
      'c listens as guest to ["things/*?other=1"]',
      'd listens as guest to ["things/*?options=%7B%22query%22%3A5%7D"]',
      'e listens as guest to ["things/*?options=%7B%22query%22%3A%7B%22filter%22%3A5%7D%7D"]',
      'f listens as guest to ["things/*?"]',
      'g listens as guest to ["things/*?options=%7B%7D"]',
      'h listens as guest to ["things/*?options=[]","things?options=%7B%22query%22%3A%7B%22fields%22%3A%22id%22%7D%7D"]',
      ...life('hear00000000008'),
    ],
  },
  {
    title: 'rules decide by what the record becomes',
    lines: [
      ...all(topics('boxes/*', 'boxes/hearbox00000001')),
      'root POST boxes {"id":"hearbox00000001","name":"heard","owner":"$alice","key":"k"}',
      'root PATCH boxes/hearbox00000001 {"open":true}',
      'root PATCH boxes/hearbox00000001 {"owner":"$bob"}',
      'root PATCH boxes/hearbox00000001 {"open":false}',
      'root PATCH boxes/hearbox00000001 {"owner":""}',
      'root PATCH boxes/hearbox00000001 {"owner":"$alice","size":0}',
      'alice PATCH boxes/hearbox00000001 {"owner":"$bob"}',
      'alice PATCH boxes/hearbox00000001 {"owner":"$alice"}',
      'bob DELETE boxes/hearbox00000001',
    ],
  },
  {
    title: 'rules that read queries and headers',
    lines: [
      `a listens as guest to ${topics(options('gates/*', { headers: { x_gate: 'open' } }))}`,
      `b listens as guest to ${topics(options('gates/*', { headers: { 'X-Gate': 'open' } }))}`,
      `c listens as guest to ${topics(options('gates/*', { query: { gate: 'open' } }))}`,
      `d listens as guest to ${topics('gates/*')}`,
      `e listens as guest to ${topics('gates/heargate0000001')}`,
      `f listens as alice to ${topics(options('boxes/hearbox00000002', { query: { key: 'k' } }))}`,
      `g listens as root to ${topics('gates/*', 'gates/heargate0000001')}`,
      'alice POST gates {"id":"heargate0000001","level":1,"name":"g"}',
      'root PATCH gates/heargate0000001 {"level":9}',
      'root DELETE gates/heargate0000001',
      'root POST boxes {"id":"hearbox00000002","name":"by key","key":"k"}',
      'root PATCH boxes/hearbox00000002 {"size":1}',
      'root DELETE boxes/hearbox00000002',
    ],
  },
  {
    title: 'what is closed is heard by superusers alone',
    lines: [
      ...all(topics('vaults/*', 'vaults/hearvault000001', '_superusers/*', 'device_codes/*')),
      'root POST vaults {"id":"hearvault000001","name":"v"}',
      'root PATCH vaults/hearvault000001 {"name":"w"}',
      'root DELETE vaults/hearvault000001',
    ],
  },
  {
    title: 'accounts and whose they are',
    lines: [
      ...all(topics('users/*', 'users/$alice', 'users/$bob', 'agents/*', 'agents/$agent')),
      'alice PATCH users/$alice {"name":"Alice"}',
      'bob PATCH users/$bob {"name":"Bob"}',
      'root PATCH users/$alice {"emailVisibility":true}',
      'root PATCH users/$alice {"emailVisibility":false}',
    ],
  },
  {
    title: 'operations of agents',
    lines: [
      ...all(topics('patch_operations/*', 'patch_operations/hearop000000001', 'package_exceptions')),
      'root POST patch_operations {"id":"hearop000000001","user_id":"$alice","agent_id":"$agent","mode":"apply","timeout_seconds":60,"status":"pending","exclusions":["a"]}',
      'agent PATCH patch_operations/hearop000000001 {"status":"running"}',
      'other PATCH patch_operations/hearop000000001 {"status":"failed"}',
      'alice PATCH patch_operations/hearop000000001 {"agent_id":"$other"}',
      'bob PATCH patch_operations/hearop000000001 {"status":"failed"}',
      'alice DELETE patch_operations/hearop000000001',
    ],
  },
  {
    title: 'deletes that take others along',
    lines: [
      ...all(topics('boxes/*', 'labels/*', 'things/*', 'labels/hearlabel000001')),
      'root POST boxes {"id":"hearbox00000003","name":"cascade","open":true}',
      'root POST labels {"id":"hearlabel000001","box":"hearbox00000003"}',
      'root POST things {"id":"hear00000000009","title":"in box","box":"hearbox00000003"}',
      'root POST things {"id":"hear00000000010","title":"points","other":"hear00000000009"}',
      'root POST boxes {"id":"hearbox00000004","name":"child","open":true,"parent":"hearbox00000003"}',
      'root DELETE boxes/hearbox00000003',
      'root DELETE things/hear00000000010',
      'root DELETE boxes/hearbox00000004',
    ],
  },
  {
    title: 'batches are heard when they have happened',
    lines: [
      ...all(topics('things/*')),
      'guest POST /api/batch {"requests":[{"method":"POST","url":"/api/collections/things/records","body":{"id":"hear00000000011","title":"batch"}},{"method":"PATCH","url":"/api/collections/things/records/hear00000000011","body":{"note":"x"}},{"method":"DELETE","url":"/api/collections/things/records/hear00000000011"}]}',
      'guest POST /api/batch {"requests":[{"method":"POST","url":"/api/collections/things/records","body":{"id":"hear00000000012","title":"batch"}},{"method":"POST","url":"/api/collections/things/records","body":{"title":""}}]}',
    ],
  },
  {
    title: 'a subscription replaces the one before',
    lines: [
      'a listens as guest to ["things/*"]',
      'guest POST things {"id":"hear00000000013","title":"one"}',
      'quiet',
      'a listens as guest to ["boxes/*"]',
      'guest PATCH things/hear00000000013 {"note":"two"}',
      'quiet',
      'a listens as guest to []',
      'guest PATCH things/hear00000000013 {"note":"three"}',
      'quiet',
      'a listens as guest to ["things/*","things/*"]',
      'guest DELETE things/hear00000000013',
    ],
  },
  {
    title: 'a stream belongs to one',
    lines: [
      'a listens as guest to ["boxes/*"]',
      'a listens as alice to ["boxes/*"]',
      'a listens as alice to ["boxes/*","things/*"]',
      'a listens as bob to ["users/*"]',
      'a listens as guest to []',
      'root POST boxes {"id":"hearbox00000005","name":"mine","owner":"$alice"}',
      'root DELETE boxes/hearbox00000005',
    ],
  },
  {
    title: 'requests to subscribe that are refused',
    lines: [
      'guest POST /api/realtime',
      'guest POST /api/realtime {}',
      'guest POST /api/realtime {"clientId":""}',
      'guest POST /api/realtime {"clientId":"nobody"}',
      'guest POST /api/realtime {"clientId":5}',
      'guest POST /api/realtime {"clientId":"nobody","subscriptions":5}',
      'guest POST /api/realtime {"clientId":"nobody","subscriptions":[5]}',
      'guest POST /api/realtime {"clientId":"nobody","subscriptions":null}',
      `guest POST /api/realtime {"clientId":"${'x'.repeat(256)}"}`,
      `guest POST /api/realtime {"clientId":"x","subscriptions":["${'x'.repeat(2501)}"]}`,
      `guest POST /api/realtime {"clientId":"x","subscriptions":["a","${'x'.repeat(2500)}"]}`,
      `guest POST /api/realtime ${JSON.stringify({ clientId: 'x', subscriptions: Array.from({ length: 1001 }, (_, n) => `t${n}`) })}`,
      'guest POST /api/realtime {"clientId":',
      'guest HEAD /api/realtime/x',
    ],
  },
]
