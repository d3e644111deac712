import type { Context } from '../context.ts'
import { askPct } from './pct.ts'

/**
 * What is run in containers besides the patch script. Texts for any POSIX sh, busybox's too; what differs comes as
 * arguments and is never part of the text. A container's root may answer whatever he likes: answers are short,
 * parsed, and used for nothing but his own container.
 */
const PREFACE = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n'

/** Marks every process of a run, whoever its parent is now, by the name of our folder. */
const MARK = 'PATCHBASE_RUN'

/** In memory, so that it is gone with the next start, and where that cannot be, with root's own things. */
const PLACES = '/run /root'

// Made by mkdir alone: a path that is there already is somebody else's, whatever lies behind it.
const ENTER = `
for place in ${PLACES}; do
  if mkdir -m 700 "$place/$1" 2>/dev/null; then
    printf '%s\\n' "$place"
    exit 0
  fi
done
mkdir -m 700 "/root/$1"
`

const LEAVE = `
for place in ${PLACES}; do
  rm -rf "$place/$1"
  if [ -e "$place/$1" ] || [ -L "$place/$1" ]; then exit 1; fi
done
`

/** $1: our folder's path; the rest: the script and its arguments. Its process is the script's, whose number is kept. */
const LAUNCH = `
umask 022
cd /
echo "$$" >"$1/pid" || exit 125
shift
exec "$@"
`

/** `marked PID`: it is of the run. `main`: the script itself lives, with the number in $pid. */
const FIND = `
run=$1
marked() { tr '\\0' '\\n' <"/proc/$1/environ" | grep -qF "${MARK}=$run"; } 2>/dev/null
main() {
  for place in ${PLACES}; do
    pid=$(cat "$place/$run/pid" 2>/dev/null)
    case $pid in '' | *[!0-9]*) continue ;; esac
    marked "$pid" && return 0
  done
  return 1
}
`

const TERM = `${FIND}
main && kill -TERM "$pid"
exit 0
`

const KILL = `${FIND}
for each in /proc/[0-9]*; do
  each=\${each#/proc/}
  marked "$each" && kill -KILL "$each" 2>/dev/null
done
exit 0
`

const LEFT = `${FIND}
if main; then echo main; exit 0; fi
cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -qF "${MARK}=$run" && echo others
exit 0
`

const STATE = `${FIND}
for place in ${PLACES}; do
  if [ -e "$place/$run/pid" ]; then echo begun; fi
done
main && echo main
exit 0
`

const PROBE = `
if command -v ip >/dev/null && addresses=$(ip -o addr show scope global 2>/dev/null); then
  case $addresses in *inet*) echo 'address: yes' ;; *) echo 'address: no' ;; esac
elif addresses=$(hostname -I 2>/dev/null); then
  case $addresses in *[0-9a-f]*) echo 'address: yes' ;; *) echo 'address: no' ;; esac
fi
if [ -d /run/systemd/system ] && units=$(systemctl --failed --no-legend --plain 2>/dev/null); then
  printf 'failed: %s\\n' "$(printf '%s' "$units" | grep -c .)"
fi
exit 0
`

const HAS_PROGRAM = 'if command -v "$1" >/dev/null; then echo yes; else echo no; fi'

/** What each takes: a program for HAS_PROGRAM, nothing for PROBE, for all others the name of our folder. */
const texts = { ENTER, LEAVE, TERM, KILL, LEFT, PROBE, HAS_PROGRAM, STATE }

/** The arguments of `pct` that run one of the texts. */
export const insideArgs = (vmid: number, text: keyof typeof texts, ...args: string[]): string[] => [
  ...['exec', `${vmid}`, '--', '/bin/sh', '-c', PREFACE + texts[text], 'patchbase', ...args],
]

/** Runs one of the texts and returns what it printed. Throws `PctError`. */
export const askInside = (
  context: Context,
  vmid: number,
  text: keyof typeof texts,
  ...args: string[]
): Promise<string> => askPct(context, insideArgs(vmid, text, ...args))

/** The arguments of `pct` that run a command as ours, in a clean environment; `path` is the folder's. */
export const launchArgs = (
  vmid: number,
  folder: string,
  path: string,
  command: readonly string[],
): string[] => [
  ...['exec', `${vmid}`, '--', '/usr/bin/env', '-i', `${MARK}=${folder}`],
  ...['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8'],
  ...['/bin/sh', '-c', LAUNCH, 'patchbase', path, ...command],
]
