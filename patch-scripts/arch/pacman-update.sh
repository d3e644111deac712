#!/bin/bash
#
# Lists or applies the updates of an Arch Linux machine. ../README.md is its contract: arguments, output and exit
# codes. It needs bash and what every Arch has (pacman, awk, coreutils, findutils, util-linux), nothing else.
#
# Fresh metadata goes to a private copy of the databases. The system's own must not be newer than its packages: the
# next `pacman -S` of the administrator would install against libraries that are not there yet. They are replaced
# only together with the upgrade, and put back when it does not happen.

# shellcheck disable=SC2034  # options of the shared part that Arch refuses

set -uo pipefail

readonly SCRIPT_NAME='pacman-update.sh' SCRIPT_VERSION='1.0.0' TITLE='Arch Linux Pacman Update Script'
readonly MANAGER='pacman' MANAGER_COMMAND='pacman'
declare -A UNSUPPORTED=(
  [--security]='Arch does not say which updates are for security.'
  [--only]='Arch supports no partial upgrades: all packages are updated together, or none.'
  [--repo]='Arch supports no partial upgrades: its repositories are made for each other.'
)

# ---- shared part: patch-scripts/common.sh, copied here by "npm run scripts:common" ----

readonly EXIT_USAGE=1 EXIT_NOTHING=2 EXIT_REFRESH=101 EXIT_LOCK=102 EXIT_DOWNLOAD=103 EXIT_TRANSACTION=104
readonly EXIT_INTERRUPTED=105 EXIT_CONFLICT=106 EXIT_DISK=107 EXIT_STOPPED=108 EXIT_OTHER=109

DRY_RUN=false SECURITY=false LOCK_TIMEOUT=120
EXCLUDE=() ONLY=() REPOS=() NAMES=()
WORK='' CHILD='' CHILD_MAY_STOP=true STOP_SIGNAL='' SIGNALS=0 FINISHED=false STARTED=0 LOCK_WAITED=0
UPDATES='' REFRESHED=false REFRESH_ERROR='' ERROR='' FAILURE=0

usage() {
  cat <<TEXT
Usage: $SCRIPT_NAME [OPTIONS]
  --dry-run         refresh the metadata and list the updates; change nothing else
  --exclude A,B     leave these packages as they are (* matches any characters)
  --only A,B        update these installed packages only, and what they need
  --security        security updates only, and what they need
  --repo A,B        from these repositories only
  --lock-timeout N  wait at most N seconds for another package manager (default 120)
  --json-only       print nothing but the JSON object on stdout
  --version, --help
TEXT
  local option
  for option in ${UNSUPPORTED[@]+"${!UNSUPPORTED[@]}"}; do printf 'Not here: %s. %s\n' "$option" "${UNSUPPORTED[$option]}"; done
}

# ---- arguments

usage_error() {
  # A value may be as long as the system lets an argument be; the sentence need not.
  ERROR=${1:0:1000}
  printf '%s\n' "$ERROR" >&2
  finish "$EXIT_USAGE"
}

parse_arguments() {
  local option value
  while (($# > 0)); do
    option=$1
    shift
    case $option in
      --dry-run) DRY_RUN=true ;;
      --security)
        refuse_unsupported "$option"
        SECURITY=true
        ;;
      --json-only) exec 3>&2 ;;
      --help)
        usage
        leave_quietly
        ;;
      --version)
        printf '%s %s\n' "$SCRIPT_NAME" "$SCRIPT_VERSION"
        leave_quietly
        ;;
      --exclude | --only | --repo | --lock-timeout)
        refuse_unsupported "$option"
        (($# > 0)) || usage_error "$option needs a value."
        value=$1
        shift
        [[ -n $value && $value != -* ]] || usage_error "$option needs a value, not '$value'."
        take_value "$option" "$value"
        ;;
      *) usage_error "Unknown option '$option'. --help lists the options." ;;
    esac
  done
}

refuse_unsupported() {
  # shellcheck disable=SC2153  # each script says what its manager cannot do
  [[ -z ${UNSUPPORTED[$1]-} ]] || usage_error "$1 is not possible here. ${UNSUPPORTED[$1]}"
}

take_value() {
  local option=$1 value=$2 name
  if [[ $option == --lock-timeout ]]; then
    [[ $value =~ ^[0-9]{1,5}$ ]] || usage_error "--lock-timeout needs whole seconds from 0 to 99999, not '$value'."
    LOCK_TIMEOUT=$((10#$value))
    return
  fi
  if [[ $option == --repo ]]; then
    [[ $value =~ ^[A-Za-z0-9_][A-Za-z0-9_.:+-]*(,[A-Za-z0-9_][A-Za-z0-9_.:+-]*)*$ ]] ||
      usage_error "--repo: '$value' is not a list of repository names (letters, digits and _.:+-, separated by commas)."
    split_names "$value"
    REPOS+=("${NAMES[@]}")
    return
  fi
  # Validated before it is split: a newline or an empty item would get lost in splitting.
  [[ $value =~ ^[A-Za-z0-9@_*][A-Za-z0-9@._+:~*-]*(,[A-Za-z0-9@_*][A-Za-z0-9@._+:~*-]*)*$ ]] ||
    usage_error "$option: '$value' is not a list of package names (letters, digits and @._+:~- with * as wildcard, separated by commas)."
  split_names "$value"
  for name in "${NAMES[@]}"; do
    [[ $name == *[!*]* ]] || usage_error "$option: '$name' would match every package. Name packages."
  done
  if [[ $option == --exclude ]]; then EXCLUDE+=("${NAMES[@]}"); else ONLY+=("${NAMES[@]}"); fi
}

# Not by a here-string: for that an older bash needs room in /tmp, and without it goes on as if nothing had been said.
split_names() {
  local IFS=,
  set -f
  # shellcheck disable=SC2206
  NAMES=($1)
  set +f
}

leave_quietly() {
  FINISHED=true
  exit 0
}

# ---- failures, signals and commands

say() { printf '%s\n' "$*" >&3; }

# The first failure is the run's exit code and error.
fail() {
  ((FAILURE == 0)) || return 0
  FAILURE=$1 ERROR=$2
  printf '%s\n' "$2" >&2
}

# What went wrong without keeping the run from its end.
# shellcheck disable=SC2317  # not every manager has such a thing
warn() {
  printf '%s\n' "$1" >&2
  printf '%s\n' "$1" >>"$WORK/warnings"
}

# shellcheck disable=SC2317  # called by traps
on_signal() {
  # A command that was just forked still has our traps, and is not us: it must not clear up behind itself.
  if [[ $BASHPID != "$$" ]]; then
    if [[ $CHILD_MAY_STOP == true ]]; then exit 143; fi
    return 0
  fi
  STOP_SIGNAL=$1
  SIGNALS=$((SIGNALS + 1))
  stop_child
}

# A transaction that has begun must end by itself: stopping it leaves packages half installed.
stop_child() {
  local signal=TERM
  [[ -n $CHILD && $CHILD_MAY_STOP == true ]] || return 0
  # It was told before, and goes on.
  ((SIGNALS < 2)) || signal=KILL
  kill -"$signal" -- "$CHILD" "-$CHILD" 2>/dev/null
  return 0
}

leave_if_stopped() {
  [[ -n $STOP_SIGNAL ]] || return 0
  fail "$EXIT_STOPPED" "Stopped by SIG$STOP_SIGNAL before any update was installed."
  finish "$FAILURE"
}

# `wait` also returns when a trapped signal arrives, and then its code is not the child's: it is asked again.
wait_for() {
  local code last=127 before
  while :; do
    before=$SIGNALS
    wait "$1" 2>/dev/null
    code=$?
    # The child was waited for already, by the wait that the signal met.
    ((code != 127)) || return "$last"
    ((SIGNALS != before)) || return "$code"
    last=$code
  done
}

# Runs one manager command with its output shown as it comes and kept in $WORK/out and $WORK/err.
# It gets its own session, so that a signal to our process group does not reach it, and files instead of our
# pipes, so that a daemon started by a maintainer script cannot keep the caller waiting for the end of output.
run_shown() {
  local code out err
  : >"$WORK/out" && : >"$WORK/err"
  [[ -z $STOP_SIGNAL || $CHILD_MAY_STOP == false ]] || return "$EXIT_STOPPED"
  setsid "$@" </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- &
  CHILD=$!
  # A signal may have come before the child had a name.
  if [[ -n $STOP_SIGNAL ]]; then stop_child; fi
  follow "$WORK/out" >&3 2>/dev/null &
  out=$!
  follow "$WORK/err" >&2 3>&- &
  err=$!
  wait_for "$CHILD"
  code=$?
  CHILD=''
  wait_for "$out"
  wait_for "$err"
  return "$code"
}

# Shows a file as it grows, until the child has ended. A repository's address may have a password in it.
follow() {
  # shellcheck disable=SC2016
  exec setsid bash -c 'tail -s 0.05 -n +1 -f --pid="$1" "$2" | sed -u -E "s#(://[^/@[:space:]:]*):[^/@[:space:]]*@#\1:***@#g"' follow "$CHILD" "$1" </dev/null
}

pause() {
  setsid sleep "$1" </dev/null >/dev/null 2>&1 3>&- &
  CHILD=$!
  if [[ -n $STOP_SIGNAL ]]; then stop_child; fi
  wait_for "$CHILD"
  CHILD=''
}

# Once packages change, what looks like a lock's refusal is the output of one of their scripts.
refused() { lock_refused && ! has_begun; }

# Tries again while another process holds a lock. No manager's own waiting could be stopped by a signal without
# the risk of stopping a transaction, and some of them never wait, or wait for ever.
run_when_unlocked() {
  local code since told=false
  while :; do
    since=$(uptime_centiseconds)
    run_shown "$@"
    code=$?
    ((code != 0)) && refused || return "$code"
    # All commands of a run share the time there is for waiting.
    ((LOCK_WAITED < 100 * LOCK_TIMEOUT)) && [[ -z $STOP_SIGNAL ]] || return "$code"
    [[ $told == true ]] || say "Waiting for another package manager, at most $LOCK_TIMEOUT seconds."
    told=true
    pause 1
    LOCK_WAITED=$((LOCK_WAITED + $(uptime_centiseconds) - since))
    [[ -z $STOP_SIGNAL ]] || return "$code"
  done
}

lock_error() {
  local pid command
  pid=$(lock_holder)
  if [[ $pid =~ ^[1-9][0-9]*$ ]]; then
    command=$(tr -d '\n' <"/proc/$pid/comm" 2>/dev/null)
    printf 'The package manager is locked by process %s (%s); waited %s seconds.' "$pid" "${command:-unknown}" "$LOCK_TIMEOUT"
  else
    printf 'The package manager is locked by another process; waited %s seconds.' "$LOCK_TIMEOUT"
  fi
}

# Fails with the words and the code that fit the last command's messages.
fail_by_messages() {
  local code words
  code=$(exit_code_for "$1")
  if ((code == EXIT_LOCK)) && has_begun; then code=$1; fi
  words=$(messages)
  if ((code == EXIT_LOCK)); then fail "$code" "$(lock_error)"; else fail "$code" "$2${words:+ $words}"; fi
}

# ---- the list. Rows, separated by tabs: package, current version, new version, repository, security (1, 0 or
# nothing), architecture, size, new dependency, names of replaced packages.

sort_rows() { LC_ALL=C sort -t $'\t' -k 5,5r -k 1,1; }

# Rows of $1 that are not in $2.
rows_without() {
  awk -F '\t' 'FILENAME == ARGV[1] { seen[$1 "\t" $6] = 1; next } !(($1 "\t" $6) in seen)' "$2" "$1"
}

count_updates() { UPDATES=$(awk -F '\t' '$8 != 1' "$WORK/packages" | wc -l); }

show_rows() {
  awk -F '\t' -v new="$2" '($8 == 1) == new {
    printf "  %s: %s%s%s%s\n", $1, $2, $2 == "" ? "" : " → ", $3, $9 == "" ? "" : " (replaces " $9 ")"
  }' "$WORK/$1" >&3
}

show_updates() {
  [[ -n $UPDATES ]] || return 0
  say '' && say '=== Available Updates ==='
  say "$UPDATES packages can be upgraded:"
  show_rows packages 0
  if [[ -n $(awk -F '\t' '$8 == 1' "$WORK/packages") ]]; then
    say 'New packages they need:'
    show_rows packages 1
  fi
  if [[ -s $WORK/excluded ]]; then
    say 'Kept back by the exclusions of this run:'
    show_rows excluded 0
  fi
  if [[ -s $WORK/held ]]; then
    say 'Kept back by the administrator:'
    show_rows held 0
  fi
  [[ ! -s $WORK/notes ]] || cat "$WORK/notes" >&3
}

# ---- applying it

apply() {
  local code
  # Downloaded first and apart: until here a signal can stop us without harm.
  say '' && say '=== Downloading ==='
  download_updates
  code=$?
  require_room
  ((FAILURE == 0)) || return
  CHILD_MAY_STOP=false
  leave_if_stopped
  if ((code != 0)); then
    fail_by_messages "$EXIT_DOWNLOAD" 'The updates could not be downloaded.'
    return
  fi
  say '' && say '=== Installing ==='
  install_updates
  code=$?
  CHILD_MAY_STOP=true
  # Refused by a lock: nothing has begun, so a signal that ended the waiting stops us in time.
  if ((code != 0)) && refused; then leave_if_stopped; fi
  [[ -z $STOP_SIGNAL ]] || say "SIG$STOP_SIGNAL came during the installation, which was left to end."
  ((code == 0)) || fail_by_messages "$EXIT_TRANSACTION" 'The updates could not all be installed.'
  # A signal has nothing left to stop, and would only take the judges away.
  trap '' TERM INT HUP
  judge
  (($(cat "$WORK/upgraded" "$WORK/failed" | wc -l) == $(wc -l <"$WORK/packages"))) || {
    fail "$EXIT_TRANSACTION" 'What became of the packages could not be told: ask the package database.'
  }
  [[ -s $WORK/failed ]] && fail "$EXIT_TRANSACTION" 'Not every package reached its new version.'
  return 0
}

# What became of each planned package: the package database is asked, the manager's code is not believed.
judge() {
  installed_rows >"$WORK/after"
  awk -F '\t' -v OFS='\t' -v dir="$WORK" '
    FILENAME == ARGV[1] {
      known[$1 "\t" $2] = $4
      version[$1 "\t" $2] = $3
      times[$1 "\t" $2]++
      if ($4 == "installed") done[$1 "\t" $2 "\t" $3] = 1
      next
    }
    {
      name = $1
      sub(/:[a-z0-9-]+$/, "", name)
      if ((name "\t" $6 "\t" $3) in done) { print > (dir "/upgraded"); next }
      key = name "\t" $6
      # Somebody published or installed a newer one meanwhile.
      if (times[key] == 1 && known[key] == "installed" && version[key] != $2) {
        $3 = version[key]
        print > (dir "/upgraded")
        next
      }
      for (i = NF; i < 9; i++) $0 = $0 "\t"
      print $0 "\t" known[key] > (dir "/failed")
    }
  ' "$WORK/after" "$WORK/packages"
  say '' && say '=== Result ==='
  say "$(wc -l <"$WORK/upgraded") packages are at their new version, $(wc -l <"$WORK/failed") are not:"
  awk -F '\t' '{ printf "  %s: %s, state %s\n", $1, $3, $10 == "" ? "not installed" : $10 }' "$WORK/failed" >&3
}

# ---- the result

uptime_centiseconds() {
  local seconds
  read -r seconds _ </proc/uptime
  printf '%s' "$((10#${seconds/./}))"
}

print_json() {
  # Values travel by environment: awk's -v would interpret backslashes in them.
  # Linux takes 128 KiB of each, and nobody reads so much.
  J_FOLDER=$WORK J_UPDATES=$UPDATES J_DRY_RUN=$DRY_RUN J_REBOOT=$1 J_REASON=${2:0:1000} J_SERVICES=$3 J_TIME=$4 \
    J_REFRESHED=$REFRESHED J_REFRESH_ERROR=${REFRESH_ERROR:0:4000} J_AGE=$5 J_MANAGER=$MANAGER J_VERSION=${6:0:100} J_ERROR=${ERROR:0:4000} \
    awk '
    function quote(text, out, i, c) {
      if (text !~ /[\\"\001-\037\177]/) return "\"" text "\""
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c in escaped ? escaped[c] : c)
      }
      return "\"" out "\""
    }
    function text_or_null(text) { return text == "" ? "null" : quote(text) }
    # What a repository says of a size is text like any other.
    function number_or_null(text) { return text ~ /^[0-9]+$/ ? text : "null" }
    function boolean_or_null(text) { return text == "true" || text == "false" ? text : "null" }
    function flag_or_null(value) { return value == "" ? "null" : value == 1 ? "true" : "false" }
    function list(text, part, count, i, out) {
      count = split(text, part, " ")
      for (i = 1; i <= count; i++) out = out (i > 1 ? "," : "") quote(part[i])
      return "[" out "]"
    }
    function rows(name, file, line, field, count, separator) {
      printf ",\"%s\":[", name
      file = ENVIRON["J_FOLDER"] "/" name
      while (ENVIRON["J_FOLDER"] != "" && (getline line < file) > 0) {
        count = split(line, field, "\t")
        printf "%s{\"package\":%s,\"current_version\":%s,\"new_version\":%s,\"repository\":%s,\"security\":%s", separator, \
          quote(field[1]), text_or_null(field[2]), quote(field[3]), text_or_null(field[4]), flag_or_null(field[5])
        printf ",\"arch\":%s,\"size\":%s,\"new_dependency\":%s", quote(field[6]), number_or_null(field[7]), \
          flag_or_null(field[8] + 0)
        if (count > 8 && field[9] != "") printf ",\"replaces\":%s", list(field[9])
        if (count > 9) printf ",\"state\":%s", quote(field[10] == "" ? "not-installed" : field[10])
        printf "}"
        separator = ","
      }
      printf "]"
    }
    function lines(name, file, line, separator) {
      file = ENVIRON["J_FOLDER"] "/" name
      printf ",\"%s\":[", name
      while (ENVIRON["J_FOLDER"] != "" && (getline line < file) > 0) {
        if (line == "") continue
        printf "%s%s", separator, quote(line)
        separator = ","
      }
      printf "]"
    }
    BEGIN {
      for (i = 1; i < 32; i++) escaped[sprintf("%c", i)] = sprintf("\\u%04x", i)
      escaped[sprintf("%c", 127)] = "\\u007f"
      escaped["\\"] = "\\\\"
      escaped["\""] = "\\\""
      printf "{\"updates_available\":%s", number_or_null(ENVIRON["J_UPDATES"])
      rows("packages")
      printf ",\"dry_run\":%s", ENVIRON["J_DRY_RUN"]
      lines("exclusions")
      rows("excluded")
      rows("held")
      rows("upgraded")
      rows("failed")
      lines("warnings")
      printf ",\"reboot_required\":%s,\"reboot_reason\":%s", boolean_or_null(ENVIRON["J_REBOOT"]), text_or_null(ENVIRON["J_REASON"])
      if (ENVIRON["J_SERVICES"] == "known") lines("services_to_restart")
      else printf ",\"services_to_restart\":null"
      printf ",\"execution_time\":%s", ENVIRON["J_TIME"]
      printf ",\"evidence\":{\"refreshed\":%s,\"refresh_error\":%s,\"newest_metadata_age_seconds\":%s", \
        ENVIRON["J_REFRESHED"], text_or_null(ENVIRON["J_REFRESH_ERROR"]), number_or_null(ENVIRON["J_AGE"])
      printf ",\"manager\":%s,\"manager_version\":%s}", quote(ENVIRON["J_MANAGER"]), text_or_null(ENVIRON["J_VERSION"])
      printf ",\"error\":%s}\n", text_or_null(ENVIRON["J_ERROR"])
    }
  ' </dev/null | only_utf8
}

# JSON is UTF-8; names of services and words of managers need not be.
only_utf8() { if command -v iconv >/dev/null; then iconv -c -f UTF-8 -t UTF-8; else cat; fi; }

# Prints the JSON line, removes our own files and ends with code $1.
finish() {
  local code=$1 reboot='' reason='' services='' age='' version='' now
  trap '' TERM INT HUP
  FINISHED=true
  # The line before may have no end: a stopped command's last word.
  ((code == EXIT_USAGE)) || say ''
  if ((code != EXIT_USAGE)) && [[ -n $WORK ]] && command -v "$MANAGER_COMMAND" >/dev/null; then
    IFS=$'\t' read -r reboot reason < <(reboot_state)
    if services_to_restart >"$WORK/services_to_restart" 2>/dev/null; then services=known; fi
    age=$(metadata_age)
    version=$(manager_version)
  fi
  now=$(($(uptime_centiseconds) - STARTED))
  print_json "$reboot" "$reason" "$services" "$(printf '%d.%02d' $((now / 100)) $((now % 100)))" "$age" "$version"
  [[ -z $WORK ]] || rm -rf "$WORK"
  exit "$code"
}

# shellcheck disable=SC2317  # called by a trap
# A way out that no stage foresaw, such as a failing shell builtin, still answers with JSON and a code of ours.
on_exit() {
  [[ $FINISHED == true || $BASHPID != "$$" ]] || { fail "$EXIT_OTHER" 'The script ended unexpectedly.'; finish "$FAILURE"; }
}

readonly ROOM_KILOBYTES=65536

make_work_folder() {
  local stale pid place name=patchbase-${SCRIPT_NAME%.sh}
  # Left by a run that was killed; it holds nothing but copies.
  for stale in /run/"$name".[0-9]* /var/tmp/"$name".[0-9]*; do
    pid=${stale#*"$name".}
    [[ ! -d $stale ]] || kill -0 "${pid%%.*}" 2>/dev/null || rm -rf "$stale"
  done
  for place in /run /var/tmp; do
    (($(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 + 0 }') >= ROOM_KILOBYTES)) || continue
    WORK=$(mktemp -d "$place/$name.$$.XXXXXX" 2>/dev/null) && break
  done
  [[ -n $WORK ]] || {
    fail "$EXIT_DISK" "A temporary folder needs $((ROOM_KILOBYTES / 1024)) MB in /run or /var/tmp, and there is no room for it."
    finish "$FAILURE"
  }
  for name in packages excluded held upgraded failed warnings notes sizes out err; do : >"$WORK/$name"; done
  printf '%s\n' ${EXCLUDE[@]+"${EXCLUDE[@]}"} >"$WORK/exclusions"
}

# A full disk would make every list an empty one, and "no updates" of it. Nothing of ours is removed before the end, so
# that what still has room now had it all the time.
require_room() {
  if ! printf '%65536d' 0 2>/dev/null >"$WORK/probe" || [[ ! -e $WORK/packages || $(wc -c <"$WORK/probe") != 65536 ]]; then
    : >"$WORK/packages"
    UPDATES=''
    fail "$EXIT_DISK" "The temporary folder $WORK is full or gone."
  fi
}

# Without one of these there would be no honest answer, so the answer is made without any of them.
require_tools() {
  local tool
  for tool in awk cat cp cut date df find grep head mktemp mv paste rm sed setsid sort tail tr wc xargs; do
    command -v "$tool" >/dev/null && continue
    FINISHED=true
    printf '%s was not found, and this script needs it.\n' "$tool" >&2
    printf '{"updates_available":null,"packages":[],"dry_run":%s,"evidence":{"refreshed":false},"error":"%s was not found, and this script needs it."}\n' "$DRY_RUN" "$tool"
    exit "$EXIT_OTHER"
  done
}

main() {
  exec 3>&1
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  # The managers' output is read here, and is translated.
  unset LANGUAGE
  export LC_ALL=C.UTF-8 LANG=C.UTF-8
  umask 022
  STARTED=$(uptime_centiseconds)
  trap on_exit EXIT
  require_tools
  parse_arguments "$@"
  if ((EUID != 0)); then usage_error 'This script must run as root.'; fi
  trap 'on_signal TERM' TERM
  trap 'on_signal INT' INT
  trap 'on_signal HUP' HUP
  make_work_folder
  command -v "$MANAGER_COMMAND" >/dev/null || {
    fail "$EXIT_OTHER" "$MANAGER_COMMAND was not found: this script is for machines that have it."
    finish "$FAILURE"
  }
  prepare_manager
  ((FAILURE == 0)) || finish "$FAILURE"

  say "=== $TITLE ==="
  say "Dry Run: $DRY_RUN"
  say "Excluded Packages: $(printf '%s\n' "${EXCLUDE[@]-none}" | paste -sd ,)"
  say '' && say '=== Refreshing the metadata ==='
  refresh
  leave_if_stopped
  if [[ $DRY_RUN == false && $FAILURE == 0 ]]; then repair; fi
  find_updates
  leave_if_stopped
  require_room
  # Nothing known is not the same as nothing there.
  [[ $REFRESHED == true || -s $WORK/packages ]] || UPDATES=''
  show_updates
  if [[ $DRY_RUN == false && $FAILURE == 0 ]] && ! refuse_to_apply && [[ -s $WORK/packages ]]; then apply; fi
  ((FAILURE == 0)) || finish "$FAILURE"
  [[ -s $WORK/packages ]] || finish "$EXIT_NOTHING"
  finish 0
}

# ---- end of the shared part ----

# ---- pacman

# DATABASE and the caches are where pacman.conf says; COPY are the options of a call that sees the private copy.
DATABASE='' COPY=() CALL=(pacman --noconfirm --color never)

prepare_manager() {
  # Everything that pacman.conf includes is in its output, with every default.
  if ! pacman-conf >"$WORK/conf" 2>"$WORK/err"; then
    fail "$EXIT_CONFLICT" "pacman refuses its configuration. $(messages)"
    return
  fi
  DATABASE=$(setting DBPath | head -n 1)
  DATABASE=${DATABASE%/}
  COPY=(--dbpath "$WORK/db/" --logfile /dev/null)
  # pacman 7 downloads as a user of its own, who must get to the copy.
  chmod 711 "$WORK"
  mkdir -p "$WORK/db/sync" "$WORK/cache" "$WORK/root"
  ln -s "$DATABASE/local" "$WORK/db/local"
  # Known metadata spares the mirrors a transfer, and is listed when they do not answer. The times tell its age.
  find "$DATABASE/sync" -maxdepth 1 \( -name '*.db' -o -name '*.db.sig' \) -exec cp -p -t "$WORK/db/sync" {} + 2>/dev/null
}

# The values of a setting, one a line.
setting() { sed -n "s/^$1 = //p" "$WORK/conf"; }

manager_version() { pacman --version 2>/dev/null | sed -nE 's/.*Pacman v([^ ]+).*/\1/p'; }

# Only pacman's own words count. What comes later in an upgrade may be said by hooks and by packages' scripts.
said() { grep -qiE "$1" "$WORK/err" <(sed -E '/^:: (Running pre-transaction hooks|Processing package changes)/,$d' "$WORK/out"); }

lock_refused() { said 'unable to lock database'; }

lock_holder() { holder_of "$DATABASE/db.lck" || holder_of "$DATABASE/patchbase/planned"; }

# Prints the pid of a process that has the file open, as pacman has its lock. Fails when there is none.
holder_of() {
  local link
  [[ -e $1 ]] || return 1
  while IFS= read -r link; do
    [[ $link -ef $1 ]] || continue
    link=${link#/proc/}
    printf '%s' "${link%%/*}"
    return 0
  done < <(find /proc/[0-9]*/fd -lname "*/${1##*/}" 2>/dev/null)
  return 1
}

# What a failed command's messages say more precisely than the stage it failed in.
exit_code_for() {
  if lock_refused; then
    echo "$EXIT_LOCK"
  elif said 'no space left on device|not enough free disk space|too full: |disk quota exceeded|failed writing received data'; then
    echo "$EXIT_DISK"
  elif (($1 == EXIT_TRANSACTION)) &&
    said 'failed retrieving file|failed to retrieve some files|download library error|invalid or corrupted package|key(ring)? .*(unknown|missing|looked up|not writable)'; then
    echo "$EXIT_DOWNLOAD"
  elif said 'could not satisfy dependencies|conflicting dependencies|unresolvable package conflicts|target not found|could not be (read|registered)|invalid value for|directive .* not recognized'; then
    echo "$EXIT_CONFLICT"
  else
    echo "$1"
  fi
}

# The manager's own words, on one line.
messages() {
  {
    grep -hE '^(error|warning: cannot resolve)|^:: .* (breaks dependency|unable to satisfy|are in conflict|in conflict)|exists in (filesystem|both)|^:: unable|^:: File .* is corrupted|signal received' "$WORK/out" "$WORK/err" 2>/dev/null ||
      tail -n 3 "$WORK/err"
  } | awk '!seen[$0]++ && ++count <= 20' | tr -s '\n\t ' ' ' | cut -c 1-2000 | sed 's/ *$//'
}

# ---- what is installed

# Rows of the records in $1: name, architecture, version, state. A record that lacks what pacman writes last was
# interrupted in its middle, though pacman itself counts such a package as installed and up to date.
# shellcheck disable=SC2016  # awk
records_in() {
  local record
  for record in "$1"/*/; do
    if [[ -s ${record}desc && -e ${record}files ]]; then printf '%sdesc\0' "$record"; fi
  done | xargs -0 -r awk '
    function flush() { if (name != "") print name "\t" arch "\t" version "\t" (version == "0-0" ? "half-installed" : "installed") }
    FNR == 1 { flush(); name = arch = version = before = "" }
    before == "%NAME%" { name = $0 }
    before == "%VERSION%" { version = $0 }
    before == "%ARCH%" { arch = $0 }
    { before = $0 }
    END { flush() }'
  broken_in "$1" | sed -E 's/^(.*)-([^-]+-[^-]+)$/\1\t\t\2\thalf-installed/'
}

broken_in() {
  local record
  for record in "$1"/*/; do
    [[ ! -d $record || (-s ${record}desc && -e ${record}files) ]] || basename "$record"
  done
}

# A broken record has no architecture: it is the planned one, so that the result finds the state. A package whose
# files could not all be written is recorded as installed all the same.
installed_rows() {
  : >>"$WORK/troubled"
  records_in "$DATABASE/local" | awk -F '\t' -v OFS='\t' '
    FILENAME == ARGV[1] { arch[$1] = $6; next }
    FILENAME == ARGV[2] { troubled[$1] = 1; next }
    $2 == "" { $2 = arch[$1] }
    $1 in troubled { $4 = "half-installed" }
    { print }
  ' "$WORK/packages" "$WORK/troubled" -
}

# ---- refreshing

refresh() {
  local attempt
  for attempt in -Sy -Syy; do
    if ! run_when_unlocked "${CALL[@]}" "${COPY[@]}" "$attempt" --noprogressbar; then
      leave_if_stopped
      if said 'no usable package repositories'; then
        REFRESH_ERROR='No package repository is enabled.'
        fail "$EXIT_REFRESH" "$REFRESH_ERROR"
        return
      fi
      REFRESH_ERROR=$(messages)
      fail_by_messages "$EXIT_REFRESH" 'The package databases could not be refreshed.'
      return
    fi
    leave_if_stopped
    # pacman takes whatever it is sent, such as the page of a captive portal or nothing, and calls it refreshed.
    "${CALL[@]}" "${COPY[@]}" -Sl >"$WORK/offered" 2>"$WORK/err" </dev/null
    find "$WORK/db/sync" -name '*.db' -size 0 -printf 'error: %f is empty\n' >>"$WORK/err"
    if ! said '^error|does not exist'; then
      REFRESHED=true
      return
    fi
  done
  REFRESH_ERROR=$(messages)
  fail "$EXIT_REFRESH" "The package databases could not be refreshed. $REFRESH_ERROR"
}

# ---- repairing

# What the last run of ours had planned and did not bring to its end, when nobody is working on it any more.
interrupted_rows() {
  [[ -f $DATABASE/patchbase/planned ]] || return 0
  if ! holder_of "$DATABASE/patchbase/planned" >/dev/null && ! holder_of "$DATABASE/db.lck" >/dev/null; then
    cat "$DATABASE/patchbase/planned"
  fi
}

# Makes broken records whole: as they were before the interrupted run, or, where nobody kept them, as version 0-0.
# The files of the version that was being installed are added to them. So the next upgrade takes the package for an
# older one, finds no foreign files in its way, and installs it completely.
# $1: folder of records; $2: what our interrupted run kept of them; $3: a new folder to work in; the rest: caches.
# Prints the names.
mend_records() {
  local records=$1 kept=$2 new=$3 broken name folder old archive cache
  shift 3
  for folder in "$records"/*/; do
    [[ -d $folder && ! (-s ${folder}desc && -e ${folder}files) ]] || continue
    broken=$(basename "$folder")
    name=${broken%-*-*}
    archive=''
    for cache in "$@"; do
      for archive in "${cache%/}/$broken"-*.pkg.tar*; do [[ $archive != *.sig && -f $archive ]] && break 2; done
      archive=''
    done
    for old in "$kept/$name"-*/; do
      [[ -s ${old}desc && -e ${old}files && $(basename "$old") == "$name"-+([!-])-+([!-]) ]] && break
      old=''
    done
    rm -rf "$new"
    mkdir "$new" || return
    if [[ -n $old ]]; then
      cp -p "$old"* "$new/" || return
    else
      printf '%%NAME%%\n%s\n\n%%VERSION%%\n0-0\n\n%%DESC%%\nnot completely installed\n\n%%ARCH%%\nany\n\n' "$name" >"$new/desc"
      : >"$new/files"
    fi
    {
      echo '%FILES%'
      {
        sed -n '/^%FILES%$/,/^$/p' "$new/files"
        [[ -z $archive ]] || pacman -Qlpq "$archive" 2>/dev/null
      } | sed 's|^/||; /^%FILES%$/d; /^$/d' | LC_ALL=C sort -u
      echo
      sed -n '/^%BACKUP%$/,$p' "$new/files"
    } >"$new/more" && mv "$new/more" "$new/files" || return
    if [[ -n $old ]]; then old=$(basename "$old"); else old=$name-0-0; fi
    rm -rf "$folder" && mv "$new" "$records/$old" || return
    echo "$name"
  done
}

# Makes sure that nobody works on the database, and removes the lock that a killed run of ours left. pacman's lock is
# an empty file, so a dead one is known to be ours by what our run leaves beside it, and by being younger than that.
# Descriptor 8 keeps others of us away until it is closed. It is of a folder that only root can open: what everybody
# may read is everybody's to hold, and to block the updates with.
# shellcheck disable=SC2317  # run in a shell of its own
begin_work() {
  local lock=$1/db.lck own=$1/patchbase planned=$1/patchbase/planned
  [[ -d $own ]] || mkdir -m 700 "$own" || [[ -d $own ]] || return
  exec 8<"$own" || return
  # Whoever came before may have removed the folder meanwhile.
  if flock -n 8 && [[ /proc/self/fd/8 -ef $own ]] && ! holder_of "$planned" >/dev/null && ! holder_of "$lock" >/dev/null; then
    if [[ -e $lock && -e $planned && ! $lock -ot $planned ]]; then rm -f "$lock"; fi
    [[ -e $lock ]] || return 0
    rmdir "$own" 2>/dev/null
  fi
  echo 'error: unable to lock database' >&2
  return 1
}

# mend_records for the system's own records, under a lock like pacman's: kept open by its holder.
# shellcheck disable=SC2317  # run in a shell of its own
mend_system() {
  local database=$1 own=$1/patchbase code
  shift
  trap : TERM INT HUP
  begin_work "$database" || return
  : >>"$own/planned" || return
  set -o noclobber
  umask 777
  if ! { exec 9>"$database/db.lck"; } 2>/dev/null; then
    echo 'error: unable to lock database' >&2
    return 1
  fi
  set +o noclobber
  umask 022
  exec 8<&-
  mend_records "$database/local" "$own/records" "$own/mended" "$@" 9>&-
  code=$?
  # Nothing of an earlier run: then there is nothing to keep for the next.
  [[ -s $own/planned ]] || rm -rf "$own"
  rm -f "$database/db.lck"
  return "$code"
}

# A lock that nobody holds any more is named for what it is. Removing it is for whoever knows what happened.
name_dead_lock() {
  if lock_refused && [[ -e $DATABASE/db.lck ]] && ! lock_holder >/dev/null; then
    fail "$EXIT_LOCK" "$DATABASE/db.lck, made at $(date -d "@$(stat -c %Y "$DATABASE/db.lck")" '+%F %T'), is held by no process: another package manager was killed and left it. Check the installation, then remove the file."
  fi
}

# Another manager at work changes the records while they are read.
wait_for_others() {
  lock_holder >/dev/null || return 0
  run_when_unlocked bash -c "$(declare -f holder_of nobody_works); nobody_works \"\$@\"" "$SCRIPT_NAME" "$DATABASE" && return 0
  leave_if_stopped
  fail_by_messages "$EXIT_LOCK" ''
  return 1
}

# shellcheck disable=SC2317  # run in a shell of its own
nobody_works() {
  holder_of "$1/db.lck" >/dev/null || holder_of "$1/patchbase/planned" >/dev/null || return 0
  echo 'error: unable to lock database' >&2
  return 1
}

repair() {
  local code caches
  wait_for_others || return
  [[ -n $(broken_in "$DATABASE/local") ]] || return 0
  say '' && say '=== Repairing an interrupted installation ==='
  mapfile -t caches < <(setting CacheDir)
  CHILD_MAY_STOP=false
  run_when_unlocked bash -c "$(declare -f begin_work holder_of mend_records mend_system); mend_system \"\$@\"" "$SCRIPT_NAME" "$DATABASE" "${caches[@]}"
  code=$?
  cp "$WORK/out" "$WORK/repaired"
  CHILD_MAY_STOP=true
  leave_if_stopped
  if ((code != 0)); then
    name_dead_lock
    fail_by_messages "$EXIT_INTERRUPTED" 'An interrupted installation could not be repaired.'
  fi
}

# ---- finding the updates

# What the administrator ignores: names and patterns.
write_holds() {
  local group
  setting IgnorePkg
  setting IgnoreGroup | while IFS= read -r group; do "${CALL[@]}" "${COPY[@]}" -Qgq "$group" 2>/dev/null </dev/null; done
}

# Does a pattern in the files fit the name? Usage: is_ignored NAME FILE...
is_ignored() {
  local name=$1 pattern
  shift
  while IFS= read -r pattern; do
    # shellcheck disable=SC2053  # patterns, as pacman takes them
    [[ -z $pattern || $name != $pattern ]] || return 0
  done < <(cat "$@")
  return 1
}

# Asks pacman what an upgrade would do. Writes $WORK/$1: name, version, repository, bytes; and $WORK/$1.replaced:
# name, replaced package. It leaves out the packages in the file $2, and what the configuration ignores: $3, or the
# administrator's. An empty cache of our own: what was downloaded before has a size, too.
simulate() {
  local output=$1 conf=${3-} name options=()
  while IFS= read -r name; do options+=(--ignore "$name"); done <"$2"
  options+=(${TARGETS[@]+"${TARGETS[@]}"})
  "${CALL[@]}" "${COPY[@]}" ${conf:+--config "$conf"} --cachedir "$WORK/cache" -Sup --print-format $'%n\t%v\t%r\t%s' \
    ${options[@]+"${options[@]}"} >"$WORK/out" 2>"$WORK/err" </dev/null || return
  awk -F '\t' 'NF == 4' "$WORK/out" >"$WORK/$output"
  : >"$WORK/$output.replaced"
  [[ -s $WORK/$output ]] || return 0
  # A list is made without looking for packages that exclude each other. That is found only by an upgrade in earnest,
  # so one is begun that can get no further than to the first download: it knows no server, it sees copies of the
  # records, and a root folder with nothing in it.
  awk '/^(Server|CacheServer|XferCommand|HookDir) = / || $0 == "VerbosePkgLists" { next } { print }
    $0 == "[options]" { print "XferCommand = /usr/bin/false" }' "${conf:-$WORK/conf}" >"$WORK/trial-conf"
  "${CALL[@]}" "${COPY[@]}" --config "$WORK/trial-conf" --root "$WORK/root" --cachedir "$WORK/cache" --hookdir "$WORK/cache" -Su --noprogressbar \
    ${options[@]+"${options[@]}"} >"$WORK/out" 2>"$WORK/err" </dev/null
  sed -nE 's/^:: Replace (.*) with [^/]*\/(.*)\? \[Y\/n\].*$/\2\t\1/p' "$WORK/out" >"$WORK/$output.replaced"
  grep -q '^:: Proceed with installation?' "$WORK/out"
}

# The same, and where the ignored packages stand in the way of others, those are ignored too, as pacman itself
# proposes ("skip the above package"). They are added to the file $2.
simulate_without() {
  local blocked
  until simulate "$@"; do
    leave_if_stopped
    blocked=$(
      {
        sed -nE "s/^:: unable to satisfy dependency '.*' required by (.*)$/\1/p; s/^:: installing (.*) \(.*\) breaks dependency '.*' required by .*$/\1/p; s/^:: removing (.*) breaks dependency '.*' required by .*$/\1/p; s/^warning: cannot resolve \".*\", a dependency of \"(.*)\"$/\1/p" \
          "$WORK/out" "$WORK/err"
        # Of two that exclude each other, the one that would be installed. Later versions of pacman add the version.
        awk '
          FILENAME == ARGV[1] { split($0, part, "\t"); planned[part[1]] = planned[part[1] "-" part[2]] = part[1]; next }
          /^:: .* and .* are in conflict/ {
            if (($2 in planned) && !($4 in planned)) print planned[$2]
            if (($4 in planned) && !($2 in planned)) print planned[$4]
          }
        ' "$WORK/$1" "$WORK/out"
      } | sort -u | grep -vxFf "$2"
    )
    [[ -n $blocked ]] || return 1
    printf '%s\n' "$blocked" >>"$2"
  done
}

# Rows as common.sh wants them, from what simulate wrote to $1.
plan_rows() {
  awk -F '\t' '{ print $3 "/" $1 }' "$1" | xargs -r "${CALL[@]}" "${COPY[@]}" -Si 2>/dev/null |
    awk -v OFS='\t' '/^Name *: / { name = $3 } /^Architecture *: / { print name, $3 }' >"$WORK/details"
  awk -F '\t' -v OFS='\t' '
    FILENAME == ARGV[1] { current[$1] = $4 == "installed" ? $3 : ""; next }
    FILENAME == ARGV[2] { arch[$1] = $2; next }
    FILENAME == ARGV[3] { replaced[$1] = replaced[$1] (replaced[$1] == "" ? "" : " ") $2; next }
    {
      new = !($1 in current) && !($1 in replaced)
      print $1, current[$1], $2, $3, "", arch[$1], $4, new, replaced[$1]
    }
  ' "$WORK/installed" "$WORK/details" "$1.replaced" "$1" | sort_rows
}

# Exclusions as pacman takes them; it has no word for one architecture.
write_exclusions() {
  local name package arch
  for name in ${EXCLUDE[@]+"${EXCLUDE[@]}"}; do
    if [[ $name != *:* ]]; then
      printf '%s\n' "$name"
    else
      # shellcheck disable=SC2053  # patterns
      while IFS=$'\t' read -r package arch _; do
        [[ $package:$arch != $name ]] || printf '%s\n' "$package"
      done <"$WORK/installed"
    fi
  done
}

# Packages that an interrupted run of ours brought to their new version, while what follows the last package, such
# as making the boot image of a new kernel, never came: they are installed again.
TARGETS=()
find_targets() {
  local name
  interrupted_rows >"$WORK/interrupted"
  while IFS= read -r name; do
    is_ignored "$name" "$WORK/ignored" "$WORK/holds" || TARGETS+=("$name")
  done < <(awk -F '\t' '
    FILENAME == ARGV[1] { installed[$1 "\t" $3] = $4 == "installed"; next }
    FILENAME == ARGV[2] { split($0, part, " "); offered[part[2]] = 1; next }
    installed[$1 "\t" $3] && ($1 in offered) { print $1 }
  ' "$WORK/installed" "$WORK/offered" "$WORK/interrupted")
}

plan_updates() {
  local unheld=true caches name
  TARGETS=()
  for name in nothing ignored held-names half mended; do : >"$WORK/$name"; done
  # From here on also the records are copies, whose files are links.
  rm -rf "$WORK/db/local" && mkdir "$WORK/db/local" && cp -as "$DATABASE/local/." "$WORK/db/local/" 2>/dev/null
  if [[ -n $(broken_in "$WORK/db/local") ]]; then
    # A dry run, or one that may not apply.
    mapfile -t caches < <(setting CacheDir)
    mend_records "$WORK/db/local" "$DATABASE/patchbase/records" "$WORK/record" "${caches[@]}" >"$WORK/mended"
  fi
  records_in "$WORK/db/local" >"$WORK/installed"
  write_exclusions >"$WORK/ignored"
  write_holds >"$WORK/holds"
  find_targets

  # What the administrator ignores is asked in a configuration of our own, which ignores nothing.
  if grep -qE '^Ignore(Pkg|Group) ' "$WORK/conf"; then
    grep -vE '^Ignore(Pkg|Group) ' "$WORK/conf" >"$WORK/open-conf"
    simulate unheld-plan "$WORK/nothing" "$WORK/open-conf" || unheld=false
  else
    unheld=false
  fi
  # Where only an ignored package stands in the way of another, both are kept back. A conflict that is there without
  # any is not solved by guessing: pacman refuses it, and so does this run.
  if simulate all-plan "$WORK/held-names" || { [[ $unheld == true ]] && simulate_without all-plan "$WORK/held-names"; }; then
    cp "$WORK/all-plan" "$WORK/plan"
    cp "$WORK/all-plan.replaced" "$WORK/plan.replaced"
    cat "$WORK/held-names" >>"$WORK/ignored"
    if ((${#EXCLUDE[@]} > 0)); then simulate_without plan "$WORK/ignored" || return; fi
  elif ((${#EXCLUDE[@]} > 0)) && simulate plan "$WORK/ignored"; then
    # The exclusions are the way out of a conflict.
    literal_updates plan all-plan '!/\[ignored\]$/'
  else
    return 1
  fi
  if [[ $unheld == false ]]; then literal_updates all-plan unheld-plan '/\[ignored\]$/'; fi
  plan_rows "$WORK/plan" >"$WORK/packages"
  plan_rows "$WORK/all-plan" >"$WORK/all"
  plan_rows "$WORK/unheld-plan" >"$WORK/unheld"
  rows_without "$WORK/all" "$WORK/packages" >"$WORK/excluded"
  rows_without "$WORK/unheld" "$WORK/all" >"$WORK/held"
}

find_updates() {
  local before code
  if [[ $REFRESHED == false ]]; then leave_out_unknown_repositories; fi
  before=$(records_state)
  plan_updates
  code=$?
  leave_if_stopped
  # Somebody upgrades packages this very moment: what was read holds no longer.
  if [[ $before != "$(records_state)" || -s $WORK/mended || $code != 0 ]] && ((FAILURE != EXIT_LOCK)) && lock_holder >/dev/null; then
    wait_for_others || return
    plan_updates
    code=$?
    leave_if_stopped
  fi
  if ((code != 0)); then
    fail_by_messages "$EXIT_CONFLICT" 'The updates could not be worked out.'
    return
  fi
  count_updates
  note_unfinished
}

# A record that is written anew is a new folder.
records_state() { find "$DATABASE/local" -mindepth 1 -maxdepth 1 -printf '%f %i\n' 2>/dev/null | sort; }

# pacman works out nothing as long as the metadata of one repository is missing or broken. Only for a list that is
# not applied, it is shown a configuration without such repositories.
leave_out_unknown_repositories() {
  local repository unknown=''
  while IFS= read -r repository; do
    if [[ ! -s $WORK/db/sync/$repository.db ]] || ! "${CALL[@]}" "${COPY[@]}" -Sl "$repository" >/dev/null 2>"$WORK/err" </dev/null || grep -q '^error' "$WORK/err"; then
      unknown+=" [$repository]"
    fi
  done < <(sed -nE 's/^\[(.*)\]$/\1/p' "$WORK/conf" | grep -vx options)
  awk -v unknown="$unknown" '/^\[/ { leave = index(unknown " ", " " $0 " ") } !leave' "$WORK/conf" >"$WORK/known-conf"
  mv "$WORK/known-conf" "$WORK/conf"
  CALL+=(--config "$WORK/conf")
  "${CALL[@]}" "${COPY[@]}" -Sl >"$WORK/offered" 2>/dev/null </dev/null
}

# Writes to $WORK/$2 the plan $WORK/$1 and every installed package of which there is a newer version, without asking
# whether they go together. $3 chooses among them: those that the administrator ignores are marked.
literal_updates() {
  "${CALL[@]}" "${COPY[@]}" -Qu 2>/dev/null </dev/null | awk "$3" | awk -v OFS='\t' '
    FILENAME == ARGV[1] { print; split($0, part, "\t"); planned[part[1]] = 1; next }
    FILENAME == ARGV[2] { if (!($2 in repository)) repository[$2] = $1; next }
    !($1 in planned) { print $1, $4, repository[$1], "" }
  ' "$WORK/$1" "$WORK/offered" - >"$WORK/$2"
  cp "$WORK/$1.replaced" "$WORK/$2.replaced"
}

# Half-installed packages that no update of this run completes.
note_unfinished() {
  {
    cat "$WORK/repaired" "$WORK/mended" 2>/dev/null
    awk -F '\t' '$4 == "half-installed" { print $1 }' "$WORK/installed"
    # Killed before the new record was begun: the old one is whole, its files are not.
    awk -F '\t' '
      FILENAME == ARGV[1] { version[$1] = $3; next }
      ($1 in version) && version[$1] != $3 { print $1 }
    ' "$WORK/installed" "$WORK/interrupted" | xargs -r "${CALL[@]}" "${COPY[@]}" -Qkq 2>/dev/null | cut -d ' ' -f 1
  } | sort -u | awk -F '\t' 'FILENAME == ARGV[1] { planned[$1] = 1; next } !($1 in planned)' "$WORK/packages" - >"$WORK/half"
  [[ ! -s $WORK/half ]] || warn "Not completely installed, and no update of this run replaces: $(paste -sd ' ' "$WORK/half")."
}

refuse_to_apply() {
  [[ -s $WORK/half ]] || return 1
  fail "$EXIT_INTERRUPTED" "An interrupted installation could not be finished, and no update of this run replaces: $(paste -sd ' ' "$WORK/half")."
}

# ---- applying them

# What plan and execution share.
upgrade_options() {
  local name
  UPGRADE=()
  while IFS= read -r name; do UPGRADE+=(--ignore "$name"); done <"$WORK/ignored"
  UPGRADE+=(${TARGETS[@]+"${TARGETS[@]}"})
}

download_updates() {
  local code
  upgrade_options
  # By the private copy, too: pacman's lock is not needed, and a download that fails leaves the system's databases
  # as old as its packages. Two downloads of one file at a time cannot harm: it is checked before it is used.
  run_when_unlocked "${CALL[@]}" "${COPY[@]}" -Suw --noprogressbar "${UPGRADE[@]}"
  code=$?
  if ((code != 0)) && said 'signature from|missing required signature|PGP signature|required key|key .* could not be'; then
    fail_by_messages "$EXIT_DOWNLOAD" 'The signature of an update is not accepted. If the keys on this machine are out of date, update archlinux-keyring first (pacman -Sy --needed archlinux-keyring, then apply at once).'
  fi
  return "$code"
}

install_updates() {
  local code
  run_when_unlocked bash -c "$(declare -f begin_work holder_of keep_for_recovery transaction)
transaction \"\$@\"" "$SCRIPT_NAME" "$DATABASE" "$WORK/db/sync" "$WORK/packages" "${CALL[@]}" -Su --noprogressbar "${UPGRADE[@]}"
  code=$?
  if ((code != 0)); then name_dead_lock; fi
  warn_of_scripts
  sed -nE 's/^error: problem occurred while [a-z]+ (.*)$/\1/p' "$WORK/out" >"$WORK/troubled"
  return "$code"
}

# Writes the folder `patchbase` beside the records: what is planned, the records it touches, and the old metadata.
# shellcheck disable=SC2317  # run in a shell of its own
keep_for_recovery() {
  local database=$1 fresh=$2 plan=$3 own=$1/patchbase file
  mkdir -p "$database/sync" "$own/records" "$own/before" "$own/fresh" || return
  cp -p "$fresh"/* "$own/fresh/" || return
  for file in "$own"/fresh/*; do
    file=$database/sync/$(basename "$file")
    [[ ! -e $file ]] || cp -p "$file" "$own/before/" || return
  done
  awk -F '\t' '$2 != "" { print $1 "-" $2 }' "$plan" | (cd "$database/local" && xargs -r cp -rp -t "$own/records") || return
  cp "$plan" "$own/planned" && sync "$own/planned"
}

# The upgrade itself, in a shell of its own that lives on when the script is killed.
# $1: the database folder; $2: fresh metadata; $3: the plan; the rest: pacman's command line.
#
# pacman must be run on its own folder: on a copy whose `local` is a link, libarchive takes the link for an attack and
# replaces it with a folder when it unpacks a package's .MTREE, and the records are lost. So the fresh metadata goes
# to the system in the last moment before pacman takes its lock, and is taken back unless a package was changed.
# Until the upgrade ends well, the folder `patchbase` tells the next run what was planned, and how the records were.
# shellcheck disable=SC2317  # run in a shell of its own
transaction() {
  local database=$1 fresh=$2 plan=$3 own=$1/patchbase before code file
  shift 3
  trap : TERM INT HUP
  begin_work "$database" || return
  find "$own" -mindepth 1 -delete
  if ! keep_for_recovery "$database" "$fresh" "$plan"; then
    rm -rf "$own"
    return 1
  fi
  exec 9<"$own/planned" 8<&-
  # A record that is written anew is a new folder.
  before=$(find "$database/local" -mindepth 1 -maxdepth 1 -printf '%f %i\n' | sort)
  for file in "$own"/fresh/*; do cp -p "$file" "$own/next" && mv -f "$own/next" "$database/sync/$(basename "$file")"; done

  "$@" 2>&1 9<&-
  code=$?

  # Stopped by a signal, it says so and calls that a success. What follows the last package did not come then.
  if ((code == 0)) && grep -qE '^(Interrupt|Hangup) signal received' /proc/self/fd/1; then code=1; fi
  # A pacman that was stopped leaves its lock.
  if ((code != 0)) && ! holder_of "$database/db.lck" >/dev/null; then rm -f "$database/db.lck"; fi
  if [[ $before == "$(find "$database/local" -mindepth 1 -maxdepth 1 -printf '%f %i\n' | sort)" ]]; then
    for file in "$own"/fresh/*; do
      file=$(basename "$file")
      if [[ -e $own/before/$file ]]; then mv -f "$own/before/$file" "$database/sync/$file"; else rm -f "$database/sync/$file"; fi
    done
    rm -rf "$own"
  elif ((code == 0)); then
    rm -rf "$own"
  fi
  return "$code"
}

# pacman goes on when a package's own script or a hook fails, and says so only between its other lines.
warn_of_scripts() {
  local line
  while IFS= read -r line; do warn "$line"; done < <(awk '
    /^(upgrading|installing|reinstalling|downgrading|removing) .*\.\.\.$/ { what = "The install script of " substr($2, 1, length($2) - 3) }
    /^\( *[0-9]+\/[0-9]+\) / { what = $0; sub(/^\( *[0-9]+\/[0-9]+\) /, "", what); sub(/\.\.\.$/, "", what); what = "The hook \"" what "\"" }
    /^error: command failed to execute correctly/ { line = what == "" ? "A script" : what; if (!seen[line]++) print line " failed; see the output." }
  ' "$WORK/out")
}

# ---- what comes after

# Prints "true|false<TAB>reason", or nothing when it cannot be known. Arch keeps one version of a kernel: its upgrade
# removes the modules of the running one. A container has no kernel of its own, and a kernel that no package owns
# is nobody else's to judge.
reboot_state() {
  local running modules newer
  [[ ! -e /run/systemd/container && ! -e /.dockerenv ]] || return 0
  running=$(uname -r)
  modules=/usr/lib/modules
  if [[ -e $modules/$running/vmlinuz ]] && pacman -Qqo "$modules/$running/vmlinuz" >/dev/null 2>&1; then
    printf 'false\t'
  elif [[ ! -e $modules/$running/vmlinuz ]]; then
    newer=$(find "$modules" -mindepth 2 -maxdepth 2 -name vmlinuz 2>/dev/null | cut -d / -f 5 | sort -V | paste -sd ' ')
    [[ -z $newer ]] || printf 'true\tKernel %s is running and no longer installed; installed: %s.' "$running" "$newer"
  fi
}

# Nothing of a plain Arch can tell.
services_to_restart() { return 1; }

metadata_age() {
  local newest
  # pacman gives a database the time at which the mirror says it was published.
  newest=$(find "$WORK/db/sync" -name '*.db' -printf '%T@\n' 2>/dev/null | sort -n | tail -n 1)
  [[ -n $newest ]] || return 0
  newest=$(($(date +%s) - ${newest%.*}))
  printf '%s' "$((newest > 0 ? newest : 0))"
}

main "$@"
