// npm run scripts:common: copies the part that all patch scripts share into each of them. A script is downloaded and
// signed alone, so it cannot read another file; written five times, the part would drift.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withCommon } from './share-common/with-common.ts'

const folder = join(import.meta.dirname, '../patch-scripts')
const common = readFileSync(join(folder, 'common.sh'), 'utf8')
for (const name of globSync('*/*.sh', { cwd: folder })) {
  const path = join(folder, name)
  const before = readFileSync(path, 'utf8')
  const after = withCommon(before, common)
  if (after === before) continue
  writeFileSync(path, after)
  console.log(`${name} has the shared part now.`)
}
