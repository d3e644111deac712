import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withCommon } from '../../cli/share-common/with-common.ts'

const folder = join(import.meta.dirname, '../../patch-scripts')
const common = readFileSync(join(folder, 'common.sh'), 'utf8')

test.each(globSync('*/*.sh', { cwd: folder }))(
  '%s holds the shared part as it is (npm run scripts:common)',
  (name) => {
    const script = readFileSync(join(folder, name), 'utf8')
    expect(withCommon(script, common)).toBe(script)
    expect(script.trimEnd().split('\n').at(-1)).toBe('main "$@"')
  },
)

test('a script without a place for the shared part is refused, not guessed at', () => {
  expect(() => withCommon('#!/bin/bash\nmain "$@"\n', common)).toThrow('lacks the lines')
})
