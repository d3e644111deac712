import { type Case, each, flow, list } from '../request.ts'

const PICKS = [
  ...[
    'id',
    'id,title',
    ' id , title ',
    '*',
    '*,id',
    '',
    ',',
    ',,id',
    'nothing',
    'ID',
    'page',
    'items',
    'items.id',
    'id,id',
    'data',
    'data.a',
    'data.b',
    'data.b.c',
    'data.b.2.c',
    'data.key.sub',
    'data.*',
    'title.x',
    '*.a',
    'collectionName',
    'expand',
    'created',
    'id.',
  ],
  ...[
    ...[
      'note:excerpt(5)',
      'note:excerpt(5,true)',
      'note:excerpt(5,false)',
      'note:excerpt(100)',
      'note: excerpt(5)',
      'note:excerpt( 5 , true )',
    ],
    ...[
      'id,note:excerpt(8,true),title',
      'amount:excerpt(1)',
      'data:excerpt(2)',
      'data.a:excerpt(1)',
      '*:excerpt(3)',
      '*,note:excerpt(3)',
      'note:excerpt(5,1)',
      'note:excerpt(5,t)',
      'note:excerpt(5)x',
      ':excerpt(5)',
      'note:excerpt(1.5)',
      'note:excerpt(5,x)',
    ],
  ],
]

const UNREADABLE = [
  ...[
    'note:excerpt(0)',
    'note:excerpt()',
    'note:excerpt',
    'note:excerpt(x)',
    'note:excerpt(-1)',
    'note:excerpt(5,true,1)',
  ],
  ...['note:excerpt(5', 'note:nope(5)', 'note:nope', 'note:excerpt("5")'],
]

const HTML = [
  '<p>Hello   <b>bold</b>\\n text</p>',
  'a &lt;b&gt; &amp; &copy; &nbsp; x &#65; &unknown; end',
  '<script>alert(1)</script>visible<style>p{}</style>',
  '<p>one</p><p>two</p>three',
  '<div>one<br>two<br/>three</div>',
  'plain < than > and more',
  '<a href=\\"x\\">link</a>, and <img alt=\\"pic\\" src=\\"y\\"> after',
  '<!-- comment -->text<!-- another',
  '<noscript>no</noscript><textarea>area</textarea><iframe>frame</iframe><svg><text>s</text></svg>',
  '<p>unclosed <b>tags <i>here',
  '   leading and trailing   ',
  '😀😀😀 emoji 😀',
  '<ul><li>a</li><li>b</li></ul>tail',
  '<span>a</span><span>b</span> <em>c</em>d',
  '<template>t</template><object>o</object><video>v</video><audio>a</audio><canvas>c</canvas>x',
  '<h1>Title</h1>text<hr>more<table><tr><td>cell</td><td>two</td></tr></table>',
  '<button>b</button><select><option>o</option></select><form>f<input value=\\"i\\"></form>',
  '<pre>  kept \\n lines </pre><code>co de</code>',
]

/** Chapter 5.4 and 5.5. */
export const fields: Case[] = [
  ...PICKS.flatMap((pick) => [
    list('guest', 'things', { fields: pick, perPage: '13' }),
    {
      title: `guest views a thing with fields=${pick}`,
      steps: [
        {
          as: 'guest' as const,
          method: 'GET',
          path: `/api/collections/things/records/thing0000000005?fields=${encodeURIComponent(pick)}&expand=other`,
        },
      ],
    },
  ]),
  ...UNREADABLE.map((pick) => list('guest', 'things', { fields: pick, perPage: '13' })),
  ...each(['guest GET /api/health?fields=code:nope']),
  flow(
    'a write whose fields cannot be read',
    [
      'guest POST things?fields=a:b {"id":"fld000000000009","title":"unread"}',
      'guest GET things/fld000000000009',
    ],
    'fields-first',
  ),
  ...HTML.map((html, index) =>
    flow(`an excerpt of ${html}`, [
      `guest POST things?fields=note:excerpt(12),title {"id":"html${String(index).padStart(11, '0')}","title":"html","note":"${html}"}`,
      ...['note:excerpt(200)', 'note:excerpt(5,true)', 'note:excerpt(9)', 'note:excerpt(20,true)'].map(
        (pick) => `guest GET things/html${String(index).padStart(11, '0')}?fields=${pick}`,
      ),
    ]),
  ),
  ...each([
    'guest GET things?perPage=2&expand=other&fields=id,expand.other.title',
    'guest GET things?perPage=6&expand=other&fields=*,expand.other.id',
    'guest GET things?perPage=6&expand=other&fields=expand',
    'guest GET things?perPage=6&expand=other&fields=expand.other',
    'guest GET things?perPage=6&expand=other&fields=expand.*',
    'guest GET things?perPage=6&expand=other&fields=expand.other.*,id',
    'guest GET things?perPage=6&expand=other&fields=expand.nothing',
    'guest GET things?perPage=6&expand=other&fields=id,expand.*.title',
    'guest GET things?perPage=6&expand=other.other&fields=id,expand.other.expand.other.title',
    'root GET things?perPage=3&expand=boxes_via_thing&fields=id,expand.boxes_via_thing.name',
    'guest GET /api/health?fields=code',
    'guest GET /api/health?fields=nothing',
    'guest GET things/thing0000000099?fields=status',
    'guest GET things?filter=(&fields=message',
    'guest GET /api/nothing?fields=status',
    'guest POST things?fields=id,title {"id":"fld000000000001","title":"picked"}',
    'guest PATCH things/fld000000000001?fields=amount {"amount":3}',
    'guest DELETE things/fld000000000001?fields=id',
    'guest GET /api/collections/users/auth-methods?fields=password,otp',
    'guest GET /api/collections/users/auth-methods?fields=mfa,otp,password,oauth2',
    'root GET /api/collections?perPage=1&skipTotal=1&fields=page',
    'root GET /api/collections/users?fields=name,passwordAuth.enabled,fields.name',
  ]),
]
