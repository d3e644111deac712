/** A record that both sides begin with; `$alice` is the id of a person. */
export type Row = { collection: string; body: Record<string, unknown> }

/** Ids that can be read: `id('box', 3)` is `box000000000003`. */
export const id = (name: string, number: number): string =>
  `${name}${String(number).padStart(15 - name.length, '0')}`

const of = (collection: string, name: string, bodies: Record<string, unknown>[]): Row[] =>
  bodies.map((body, index) => ({ collection, body: { id: id(name, index + 1), ...body } }))

const things = of('things', 'thing', [
  { title: 'first', code: 'abc', note: 'hello', amount: 1, whole: 7, ratio: 2.5, flag: true, kind: 'a' },
  { title: 'second', note: 'Hello', amount: -5, at: '2024-06-15 12:34:56.789Z', kind: 'B', owner: '$alice' },
  { title: 'third', note: 'HELLO', amount: 100, at: '2024-06-15', kind: 'c d', data: [], owner: '$bob' },
  { title: 'üb', note: 'Ü', data: {}, other: id('thing', 1), at: '2031-01-01 00:00:00Z' },
  { title: 'Üb', note: 'a%b', data: { a: 1, b: [1, 2, { c: 'x' }], s: '5' }, other: id('thing', 4) },
  { title: 'a_b', note: 'a_b', data: 'text', kind: 'a', flag: true },
  { title: 'a"b', note: 'quote " and \' here', data: 12, ratio: 0.1, other: id('thing', 6) },
  { title: 'back\\s', note: 'a\\b', data: null, ratio: 1e21, whole: -3 },
  { title: 'line', note: 'line\nbreak\tand tab', data: true, ratio: -2.5 },
  { title: 'emoji', note: '😀 and \uffff', data: [1, 'a', null, { a: { b: 'deep' } }], ratio: 7 },
  { title: 'numbers', note: '42', data: { a: '1', key: { sub: 5 } }, amount: 42, whole: 42, ratio: 42 },
  { title: 'empty', note: '' },
  { title: 'html', note: '<p>Some <b>bold</b> text &amp; more <script>x()</script> of it</p>', data: 'true' },
  { title: 'boxless', other: id('thing', 1) },
])

const boxes = of('boxes', 'box', [
  { name: 'public', open: true, size: 0, owner: '$alice', thing: id('thing', 1) },
  { name: 'alice', owner: '$alice', size: 3, key: 'k1', thing: id('thing', 2), parent: id('box', 1) },
  { name: 'bob', owner: '$bob', size: 0, key: 'k2', thing: id('thing', 2), parent: id('box', 2) },
  { name: 'nobody', size: 5 },
  { name: 'nobody-open', open: true, size: 9, parent: id('box', 3) },
  { name: 'bob-open', open: true, owner: '$bob', size: 0, thing: id('thing', 4), parent: id('box', 4) },
])

const rest = [
  ...of('labels', 'label', [
    { box: id('box', 1), text: 'one' },
    { box: id('box', 2), text: 'two' },
    { box: id('box', 3), text: 'three' },
  ]),
  ...of('vaults', 'vault', [
    { name: 'secret', thing: id('thing', 1) },
    { name: 'other', thing: id('thing', 2) },
  ]),
  ...of('notes', 'note', [
    { text: 'of nobody' },
    { text: 'of alice', owner: '$alice', agent: '$agent' },
    { text: 'of an agent', agent: '$other' },
    { text: 'of bob', owner: '$bob' },
  ]),
  ...of('gates', 'gate', [
    { name: 'low', level: 1, owner: '$alice' },
    { name: 'high', level: 9, owner: '$bob' },
    { name: 'none', level: 0 },
  ]),
]

const target = (who: 'alice' | 'bob') => ({
  user_id: `$${who}`,
  agent_id: who === 'alice' ? '$agent' : '$other',
})

const product = [
  ...of('proxmox_cluster', 'cluster', [
    { ...target('alice'), cluster_name: 'north', nodes: 2, quorate: true, px_cluster_id: 'n' },
    { ...target('bob'), cluster_name: 'south', nodes: 1, px_cluster_id: 's' },
  ]),
  ...of('proxmox_nodes', 'node', [
    { ...target('alice'), cluster_id: id('cluster', 1), name: 'n1', ip: '10.0.0.1', online: true },
    { ...target('alice'), cluster_id: id('cluster', 1), name: 'n2', ip: '10.0.0.2' },
    { ...target('bob'), cluster_id: id('cluster', 2), name: 's1', online: true },
  ]),
  ...of('proxmox_lxc', 'lxc', [
    {
      ...target('alice'),
      cluster_id: id('cluster', 1),
      node_id: id('node', 1),
      name: 'web',
      vmid: 100,
      status: 'running',
    },
    {
      ...target('alice'),
      cluster_id: id('cluster', 1),
      node_id: id('node', 2),
      name: 'db',
      vmid: 101,
      status: 'stopped',
    },
    {
      ...target('bob'),
      cluster_id: id('cluster', 2),
      node_id: id('node', 3),
      name: 'web',
      vmid: 100,
      status: 'running',
    },
  ]),
  ...of('package_exceptions', 'exc', [
    { ...target('alice'), package_name: 'nginx', reason: 'tuned by hand', is_active: true },
    {
      ...target('alice'),
      package_name: 'linux-*',
      reason: 'reboots',
      is_active: false,
      lxc_id: id('lxc', 1),
    },
    {
      ...target('alice'),
      package_name: 'openssl',
      expires_at: '2031-01-01 00:00:00.000Z',
      is_active: true,
      lxc_id: id('lxc', 2),
    },
    { ...target('bob'), package_name: 'nginx', reason: 'not mine', is_active: true },
    {
      ...target('bob'),
      package_name: 'vim',
      reason: '',
      expires_at: '2020-01-01 00:00:00.000Z',
      lxc_id: id('lxc', 3),
    },
  ]),
  ...of('patch_operations', 'op', [
    {
      ...target('alice'),
      mode: 'dry-run',
      status: 'completed',
      exclusions: ['nginx'],
      exit_code: 0,
      result: { packages: [{ name: 'a' }] },
      timeout_seconds: 60,
    },
    {
      ...target('alice'),
      mode: 'apply',
      status: 'failed',
      exclusions: [],
      exit_code: 100,
      error_message: 'E: lock',
      lxc_id: id('lxc', 1),
      timeout_seconds: 7200,
    },
    {
      ...target('alice'),
      mode: 'apply',
      status: 'pending',
      not_before: '2031-05-05 05:05:05.000Z',
      packages: ['vim', 'nano'],
      timeout_seconds: 600,
    },
    { ...target('bob'), mode: 'apply', status: 'running', security_only: true, timeout_seconds: 86_400 },
    { ...target('bob'), mode: 'dry-run', status: 'pending', updates_available: 12, timeout_seconds: 60 },
  ]),
  ...of('patch_schedules', 'sched', [
    {
      ...target('alice'),
      cron_expression: '0 3 * * *',
      timezone: 'Europe/Berlin',
      is_active: true,
      mode: 'apply',
    },
    { ...target('bob'), cron_expression: '0 4 * * 0', is_active: false, window_minutes: 60 },
  ]),
  ...of('agent_metrics', 'metric', [
    { ...target('alice'), cpu_percent: 12.5, memory_percent: 50, filesystems: [{ mount: '/', percent: 80 }] },
    { ...target('bob'), cpu_percent: 99, memory_percent: 10.25 },
  ]),
  ...of('device_codes', 'code', [
    { user_code: 'ABCDEFGH', device_code: 'x', expires_at: '2031-01-01 00:00:00Z', status: 'pending' },
  ]),
]

export const rows: readonly Row[] = [...things, ...boxes, ...rest, ...product]
