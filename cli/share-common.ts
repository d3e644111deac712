// npm run scripts:common: copies the parts that patch scripts share into each of them. A script is downloaded and signed
// alone, so it cannot read another file; written five times, such a part would drift.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withShared } from './share-common/with-shared.ts'

const folder = join(import.meta.dirname, '../patch-scripts')
for (const name of globSync('*/*.sh', { cwd: folder })) {
  const path = join(folder, name)
  const before = readFileSync(path, 'utf8')
  const after = withShared(folder, name, before)
  if (after === before) continue
  writeFileSync(path, after)
  console.log(`${name} has the shared parts now.`)
}
