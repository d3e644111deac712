/** Root folders of the families, built once and kept in `~/.cache/patchbase-test/roots`. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { requireTools } from './box.ts'
import { type RootName, recipes } from './recipes.ts'

export type { RootName } from './recipes.ts'

/** Programs for the roots and for the packages that are installed in them, and Debian's packages that have them. */
export const rootPrograms = { mmdebstrap: 'mmdebstrap', rpmbuild: 'rpm', createrepo_c: 'createrepo-c' }

export const rootNames = Object.keys(recipes) as RootName[]

const FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'patchbase-test/roots')

// $1: name; $2: hash; $3: packages; $4: where they come from; $5: the recipe's lines; the rest: paths and contents.
// Built aside and renamed: what an interruption leaves is never used.
const BUILD = `
set -eu
name=$1 hash=$2 include=$3 source=$4 lines=$5
shift 5
final=$PWD/$name-$hash building=$PWD/$name.building
[ ! -d "$final" ] || exit 0
rm -rf --one-file-system "$building"
mmdebstrap --quiet --mode=root --variant=minbase --include="$include" bookworm "$building" "$source"
cd "$building"
while [ $# -gt 0 ]; do
  mkdir -p ".\${1%/*}"
  printf %s "$2" >".$1"
  shift 2
done
eval "$lines"
cd ..
: >"$final.lock"
mv "$building" "$final"
# What other recipes left goes, unless a box stands on it.
for old in "$name"-*; do
  case "$old" in "$name-$hash"*|*.lock) continue;; esac
  flock --exclusive --nonblock "$old.lock" rm -rf --one-file-system "$old" "$old.lock" || true
done
`

export type Root = { path: string; lock: string }

/** Where the family's root lies, or will lie once it is built. */
function placeOf(name: RootName): Root & { hash: string } {
  const hash = createHash('sha256')
    .update(JSON.stringify([recipes[name], BUILD]))
    .digest('hex')
    .slice(0, 12)
  const path = join(FOLDER, `${name}-${hash}`)
  return { hash, path, lock: `${path}.lock` }
}

export const hasRoot = (name: RootName): boolean => existsSync(placeOf(name).path)

const asked = new Map<RootName, Promise<Root>>()

/**
 * The family's root folder, built first where it is missing (about 30 seconds; of several processes one builds and
 * the others wait). It is only to be read: it lies under a box. Throws with what the builder said.
 */
export function rootOf(name: RootName): Promise<Root> {
  // A failure is kept, too: a build without a network takes its time to fail.
  const root = asked.get(name) ?? built(name)
  asked.set(name, root)
  return root
}

async function built(name: RootName): Promise<Root> {
  const { hash, path, lock } = placeOf(name)
  await requireTools([...Object.keys(rootPrograms), 'flock'], Object.values(rootPrograms).join(' '))
  if (existsSync(path)) return { path, lock }
  await mkdir(FOLDER, { recursive: true })
  const { include, lines, files } = recipes[name]
  const source = await packageSource()
  const build = ['sh', '-c', BUILD, 'sh', name, hash, include.join(','), source, lines]
  const argv = [join(FOLDER, `${name}.lock`), ...build, ...Object.entries(files).flat()]
  const child = spawn('flock', argv, { cwd: FOLDER, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0)
    throw new Error(
      `The root of ${name} could not be built (code ${code}): ${said.slice(-4000)}\nTo see it alone: mmdebstrap bookworm /tmp/root ${source}`,
    )
  return { path, lock }
}

/** The mirror this machine uses, where it is a Debian 12; otherwise Debian's own. */
async function packageSource(): Promise<string> {
  for (const path of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    if (existsSync(path) && (await readFile(path, 'utf8')).includes('bookworm')) return path
  }
  return 'http://deb.debian.org/debian'
}
