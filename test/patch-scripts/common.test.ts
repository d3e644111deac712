import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withShared } from '../../cli/share-common/with-shared.ts'

const folder = join(import.meta.dirname, '../../patch-scripts')

test.each(globSync('*/*.sh', { cwd: folder }))(
  '%s holds the shared parts as they are (npm run scripts:common)',
  (name) => {
    const script = readFileSync(join(folder, name), 'utf8')
    expect(withShared(folder, name, script)).toBe(script)
    expect(script.trimEnd().split('\n').at(-1)).toBe('main "$@"')
  },
)

test('a script without a place for the shared parts is refused, not guessed at', () => {
  expect(() => withShared(folder, 'debian/new.sh', '#!/bin/bash\nmain "$@"\n')).toThrow('lacks the lines')
})
