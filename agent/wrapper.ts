/**
 * Stands between agent and script. It waits for a word on descriptor 3 before it starts the script: the agent first
 * writes down who runs, and if it dies before, the pipe closes and nothing starts. It outlives the SIGTERM meant
 * for the script (a trap that does something is reset in the child) to write the exit code.
 */
const BEGIN = `
trap : TERM INT HUP
umask 022
exit_file=$1
shift
read -r go <&3 || exit 125
[ "$go" = go ] || exit 125
`

const END = `
echo "$code" 1<>"$exit_file.tmp" && mv "$exit_file.tmp" "$exit_file"
`

export const WRAPPER = `${BEGIN}
"$@" 3<&-
code=$?
${END}`

/**
 * The same for what hands its descriptors on to somebody who is not trusted with them: it gets pipes. $2 is how many
 * bytes of each are kept; then a pipe is closed. Of what still holds one when the command has ended, nothing more is
 * read after two seconds.
 */
export const PIPED_WRAPPER = `${BEGIN}
exec 3<&-
limit=$1
shift
pipe=$exit_file.pipe
rm -f "$pipe.1" "$pipe.2"
mkfifo -m 600 "$pipe.1" "$pipe.2" || exit 125
copy() {
  trap '' TERM INT HUP
  exec stdbuf -o0 head -c "$limit"
}
copy <"$pipe.1" &
first=$!
copy <"$pipe.2" >&2 &
second=$!
"$@" >"$pipe.1" 2>"$pipe.2"
code=$?
rm -f "$pipe.1" "$pipe.2"
# The number of a copier that has ended may be somebody else's by now.
lives() {
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  case \${stat##*) } in
    "Z "*) return 1 ;;
    [A-Z]" $$ "*) return 0 ;;
  esac
  return 1
}
left=100
while [ "$left" -gt 0 ] && { lives "$first" || lives "$second"; }; do
  sleep 0.02
  left=$((left - 1))
done
if lives "$first"; then kill -KILL "$first"; fi
if lives "$second"; then kill -KILL "$second"; fi
wait "$first" "$second"
${END}`
