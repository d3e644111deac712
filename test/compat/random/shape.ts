/** What the generator knows of collections: how fields compare, and where relations lead. */
export type Kind = 'text' | 'number' | 'bool' | 'date' | 'select' | 'relation' | 'json'
export const FIELDS: Record<string, Record<string, Kind>> = {
  things: {
    id: 'relation',
    title: 'text',
    note: 'text',
    amount: 'number',
    whole: 'number',
    ratio: 'number',
    flag: 'bool',
    at: 'date',
    kind: 'select',
    owner: 'relation',
    other: 'relation',
    box: 'relation',
    data: 'json',
  },
  boxes: {
    id: 'relation',
    name: 'text',
    owner: 'relation',
    key: 'text',
    size: 'number',
    open: 'bool',
    thing: 'relation',
    parent: 'relation',
  },
  users: { id: 'relation', name: 'text' },
  labels: { id: 'relation', text: 'text', box: 'relation' },
}
export const TARGETS: Record<string, Record<string, string>> = {
  things: {
    owner: 'users',
    other: 'things',
    box: 'boxes',
    boxes_via_thing: 'boxes',
    things_via_other: 'things',
  },
  boxes: {
    owner: 'users',
    thing: 'things',
    parent: 'boxes',
    labels_via_box: 'labels',
    things_via_box: 'things',
    boxes_via_parent: 'boxes',
  },
  users: { boxes_via_owner: 'boxes', things_via_owner: 'things' },
  labels: { box: 'boxes' },
}
