#!/bin/bash
#
# Lists or applies the updates of a Debian or Ubuntu machine. ../README.md is its contract: arguments, output
# and exit codes. It needs bash and what every Debian has (awk, coreutils, util-linux), nothing else.
#
# Exclusions and selections are pins in a private preferences file that only our own apt-get calls are shown.
# The administrator's holds and pins are never written, so there is nothing to undo, however this run ends.

set -uo pipefail

readonly SCRIPT_NAME='apt-update.sh' SCRIPT_VERSION='1.1.0' TITLE='Debian/Ubuntu APT Update Script'
readonly MANAGER='apt' MANAGER_COMMAND='apt-get'
declare -A UNSUPPORTED=([--repo]='apt chooses among its sources by priority; use its pins.')

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

prepare_manager() {
  export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical UCF_FORCE_CONFFOLD=1
  export APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none
  # Restarting services is the operator's decision, and one of them may be the agent that runs us.
  export NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1
}

manager_version() { apt-get --version 2>/dev/null | awk 'NR == 1 { print $2 }'; }

# ---- what apt says when it fails

lock_refused() { grep -qE 'Could not get lock|Unable to lock|lock was locked by another process' "$WORK/err"; }

has_begun() { grep -qE '^(Preparing to unpack|Unpacking|Setting up) ' "$WORK/out"; }

lock_holder() { sed -nE 's/.*(held by process|with pid) ([0-9]+).*/\2/p' "$WORK/err" | head -n 1; }

# What a failed command's messages say more precisely than the stage it failed in.
exit_code_for() {
  if lock_refused; then
    echo "$EXIT_LOCK"
  elif grep -qiE 'no space left on device|enough free space|disk quota exceeded' "$WORK/err"; then
    echo "$EXIT_DISK"
  elif grep -q 'dpkg was interrupted' "$WORK/err"; then
    echo "$EXIT_INTERRUPTED"
  elif grep -qE '^E: (Failed to fetch|Unable to fetch|There were unauthenticated)' "$WORK/err" && (($1 == EXIT_TRANSACTION)); then
    echo "$EXIT_DOWNLOAD"
  elif grep -qiE 'unmet dependencies|held broken packages|malformed|syntax error|invalid record in the preferences|sources could not be read|packages need to be removed' "$WORK/err"; then
    echo "$EXIT_CONFLICT"
  else
    echo "$1"
  fi
}

# The manager's own words, on one line.
messages() {
  { grep -E '^(E:|W: (Failed to fetch|Some index)|dpkg: error)' "$WORK/err" || tail -n 3 "$WORK/err"; } |
    awk '!seen[$0]++ && NR <= 20' | tr -s '\n\t' '  ' | cut -c 1-2000 | sed 's/ *$//'
}

# ---- finding the updates

refresh() {
  local code
  # Without this mode an unreachable mirror is only a warning, and old lists would look like "no updates".
  run_when_unlocked apt-get -q -o APT::Color=0 -o APT::Update::Error-Mode=any update
  code=$?
  leave_if_stopped
  # apt before 2.1 does not know that mode, but warns.
  if ((code == 0)) && ! grep -qE '^(E:|W: (Failed to fetch|Some index files failed))' "$WORK/err"; then
    # apt is content with no repository at all. That is no evidence of being up to date.
    if [[ -n $(apt-get indextargets 'Created-By: Packages' 2>/dev/null </dev/null) ]]; then
      REFRESHED=true
    else
      REFRESH_ERROR='No package repository is enabled.'
      fail "$EXIT_REFRESH" "$REFRESH_ERROR"
    fi
    return
  fi
  if lock_refused; then REFRESH_ERROR=$(lock_error); else REFRESH_ERROR=$(messages); fi
  fail_by_messages "$EXIT_REFRESH" 'The package lists could not be refreshed.'
}

# Everything a plan and its execution must share, so that the one is the other's promise.
readonly UPGRADE_OPTIONS=(-q -y --with-new-pkgs --no-remove -o APT::Get::AutomaticRemove=false -o APT::Color=0)

# Usage: simulate PREFERENCES OUTPUT [OPTION...]
simulate() {
  local preferences=$1 output=$2
  shift 2
  # Without the last option even a simulation leaves a log.
  apt-get -s "${UPGRADE_OPTIONS[@]}" -o Debug::NoLocking=1 -o Dir::Etc::Preferences="$preferences" -o Dir::Log::Planner= "$@" upgrade \
    </dev/null >"$output" 2>"$WORK/err"
}

# Pins: "Package: a:any b*:any". Without an architecture a pin means the native one only.
pin_record() {
  awk -v pin="$1" -v priority="$2" '
    { list = list " " (index($0, ":") ? $0 : $0 ":any") }
    END { if (NR) printf "Package:%s\nPin: %s\nPin-Priority: %s\n\n", list, pin, priority }'
}

# Rows: package, candidate, whether a security update lies on the way to it, the newest such version.
# A security update hidden below a newer candidate still counts: installing that candidate brings it.
read_candidates() {
  apt-cache policy </dev/null >"$WORK/sources" 2>"$WORK/err" || return
  # shellcheck disable=SC2016
  dpkg-query -W -f '${binary:Package}\t${db:Status-Status}\n' 2>>"$WORK/err" |
    awk -F '\t' '$2 != "not-installed" && $2 != "config-files" { print $1 }' |
    xargs -r apt-cache policy 2>>"$WORK/err" >"$WORK/versions" || return
  awk '
    function source_name(line) { sub(/^ *-?[0-9]+ /, "", line); return line }
    function flush() {
      if (name != "" && upward && version != "" && version != installed) print name "\t" version "\t" crosses + 0 "\t" fix
    }
    FILENAME == ARGV[1] && /^ *-?[0-9]+ / { source = source_name($0); next }
    FILENAME == ARGV[1] {
      if ($1 == "release" && $0 ~ /(^|[ ,])(l=Debian-Security|[an]=[^,]*-security)(,|$)/) security[source] = 1
      next
    }
    /^[^ ]/ { flush(); name = substr($0, 1, length($0) - 1); version = row = fix = ""; crosses = upward = between = 0; next }
    /^  Installed:/ { installed = $2; next }
    /^  Candidate:/ { version = $2; next }
    /^ \*\*\* / { if (between) upward = 1; between = 0; row = ""; next }
    /^     [^ ]/ { if ($1 == version) between = 1; row = $1; next }
    /^       / { if (between && row != "" && (source_name($0) in security)) { crosses = 1; if (fix == "") fix = row } }
    END { flush() }
  ' "$WORK/sources" "$WORK/versions" >"$WORK/candidates"
}

# Writes the wanted names and the pins that keep everything else as it is. $1: names wanted in addition.
write_selection() {
  printf '%s\n' ${ONLY[@]+"${ONLY[@]}"} >"$WORK/only"
  awk -F '\t' -v security="$SECURITY" -v native="$(dpkg --print-architecture)" -v dir="$WORK" '
    FILENAME == ARGV[1] && $0 != "" {
      pattern = $0
      gsub(/[.+]/, "[&]", pattern)
      gsub(/\*/, ".*", pattern)
      patterns[++count] = "^" pattern "$"
      next
    }
    FILENAME == ARGV[2] { needed[$1] = 1; next }
    FILENAME == ARGV[3] {
      chosen = count == 0
      full = index($1, ":") ? $1 : $1 ":" native
      bare = full
      sub(/:.*/, "", bare)
      for (i = 1; i <= count && !chosen; i++) chosen = bare ~ patterns[i] || full ~ patterns[i]
      if (security == "true" && !$3) chosen = 0
      if (chosen) print $1 > (dir "/wanted")
      if (chosen && security == "true" && $4 != $2)
        printf "Package: %s\nPin: version %s\nPin-Priority: 999\n\nPackage: %s\nPin: release *\nPin-Priority: -1\n\n", \
          full, $4, full > (dir "/fix-pins")
      if (!chosen && !($1 in needed)) print $1 > (dir "/unwanted")
    }
  ' "$WORK/only" "$1" "$WORK/candidates"
}

# The preferences files: `selection` is what was asked for, `preferences` the same without the exclusions.
write_preferences() {
  local own
  own=$(apt-config shell FILE Dir::Etc::Preferences/f 2>/dev/null)
  own=${own#FILE=\'}
  own=${own%\'}
  : >"$WORK/wanted" && : >"$WORK/unwanted" && : >"$WORK/fix-pins"
  if [[ $SECURITY == true || ${#ONLY[@]} -gt 0 ]]; then write_selection "$1"; fi
  # The first record that names a package wins, so ours stand before the administrator's.
  {
    cat "$WORK/fix-pins"
    pin_record 'release *' -1 <"$WORK/unwanted"
    [[ ! -f $own ]] || cat "$own"
  } >"$WORK/selection"
  {
    ((${#EXCLUDE[@]} == 0)) || printf '%s\n' "${EXCLUDE[@]}" | pin_record 'release *' -1
    cat "$WORK/selection"
  } >"$WORK/preferences"
}

closure_of() {
  xargs apt-get -s -q -y --no-remove --only-upgrade -o Debug::NoLocking=1 -o Dir::Etc::Preferences="$WORK/fixes" -o Dir::Log::Planner= install 2>/dev/null
}

# A chosen package may need an update that was not chosen. Lets in what apt says the chosen ones need.
widen_selection() {
  local name
  [[ -s $WORK/wanted ]] || return 0
  # shellcheck disable=SC2016
  dpkg-query -W -f '${Package}\t${Architecture}\t${db:Status-Want}\n' 2>/dev/null | awk -F '\t' '$3 == "hold"' >"$WORK/holds"
  awk '
    FILENAME == ARGV[1] { planned[$2] = 1; next }
    FILENAME == ARGV[2] { planned[$1] = planned[$1 ":" $2] = 1; next }
    !($1 in planned)
  ' <(grep '^Inst ' "$WORK/all") "$WORK/holds" "$WORK/wanted" >"$WORK/kept"
  [[ -s $WORK/kept ]] || return 0
  cp "$WORK/fix-pins" "$WORK/fixes"
  # One that cannot be updated must not take the others with it.
  closure_of <"$WORK/kept" >"$WORK/closure" ||
    while IFS= read -r name; do printf "%s\n" "$name" | closure_of; done <"$WORK/kept" >"$WORK/closure"
  awk '/^Inst / { print $2 }' "$WORK/closure" >"$WORK/needed"
  write_preferences "$WORK/needed"
  simulate "$WORK/selection" "$WORK/all"
}

# Rows of a simulation: package, current, new, repository, security, arch, size, new dependency.
plan_rows() {
  awk -F '\t' '
    FILENAME == ARGV[1] { split($0, part, " "); size[part[2]] = part[3]; next }
    FILENAME == ARGV[2] { crosses[$1] = $3; next }
    /^Inst / {
      gsub(/\t/, " ")
      rest = substr($0, 6)
      space = index(rest, " ")
      name = substr(rest, 1, space - 1)
      rest = substr(rest, space + 1)
      current = ""
      if (substr(rest, 1, 1) == "[") {
        current = substr(rest, 2, index(rest, "]") - 2)
        rest = substr(rest, index(rest, "]") + 2)
      }
      space = index(rest, " ")
      version = substr(rest, 2, space - 2)
      rest = substr(rest, space)
      if (!match(rest, / \[[a-z0-9-]+\]\)/)) next
      arch = substr(rest, RSTART + 2, RLENGTH - 4)
      repository = substr(rest, 2, RSTART - 2)
      security = crosses[name] || repository ~ /(^|, )Debian-Security:|-security(,|$)/
      bare = name
      sub(/:.*/, "", bare)
      file = version
      gsub(/_/, "%5f", file)
      gsub(/:/, "%3a", file)
      file = bare "_" file "_" arch ".deb"
      printf "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\n", name, current, version, repository, security, arch, size[file], current == ""
    }
  ' "$WORK/sizes" "$WORK/candidates" "$1" | sort_rows
}

find_updates() {
  local widest=()
  : >"$WORK/nothing"
  read_candidates && write_preferences "$WORK/nothing" && simulate "$WORK/selection" "$WORK/all" && widen_selection
  # shellcheck disable=SC2181
  if (($? != 0)); then
    plan_failed
    return
  fi
  cp "$WORK/all" "$WORK/plan" && cp "$WORK/all" "$WORK/unheld"
  if ((${#EXCLUDE[@]} > 0)) && ! simulate "$WORK/preferences" "$WORK/plan"; then
    plan_failed
    return
  fi
  if [[ -n $(apt-mark showhold 2>/dev/null </dev/null) ]]; then
    # Simulated only: apply never overrides a hold.
    widest=(-o APT::Ignore-Hold=true --allow-change-held-packages)
    if ! simulate "$WORK/selection" "$WORK/unheld" "${widest[@]}"; then
      printf 'What the holds keep back could not be worked out. %s\n' "$(messages)" >&2
      cp "$WORK/all" "$WORK/unheld"
    fi
  fi
  # An empty archive folder of our own: files that are in the cache already have a size too.
  mkdir -p "$WORK/archives/partial"
  apt-get --print-uris "${UPGRADE_OPTIONS[@]}" -o Debug::NoLocking=1 -o Dir::Cache::archives="$WORK/archives" \
    -o Dir::Etc::Preferences="$WORK/selection" -o Dir::Log::Planner= ${widest[@]+"${widest[@]}"} upgrade </dev/null 2>/dev/null |
    grep "^'" >"$WORK/sizes"
  plan_rows "$WORK/plan" >"$WORK/packages"
  plan_rows "$WORK/all" >"$WORK/all-rows"
  plan_rows "$WORK/unheld" >"$WORK/unheld-rows"
  rows_without "$WORK/all-rows" "$WORK/packages" >"$WORK/excluded"
  rows_without "$WORK/unheld-rows" "$WORK/all-rows" >"$WORK/held"
  count_updates
  tell_kept_back
  if [[ -n $(unfinished) ]]; then printf 'Not completely installed: %s\n' "$(unfinished | paste -sd ' ')" >"$WORK/notes"; fi
}

# Packages that apt itself keeps back, by no wish of anybody: what they need cannot be had. Ubuntu's phased updates are
# kept back for a while on purpose, and are not among them.
tell_kept_back() {
  local kept
  awk '
    /^The following packages have been kept back:/ { inside = 1; next }
    /^ / { if (inside) for (i = 1; i <= NF; i++) print $i; next }
    { inside = 0 }
  ' "$WORK/plan" >"$WORK/kept-back"
  [[ -s $WORK/kept-back ]] || return 0
  simulate "$WORK/preferences" "$WORK/phased" -o APT::Get::Always-Include-Phased-Updates=true || : >"$WORK/phased"
  kept=$(awk '
    FILENAME == ARGV[4] { if (!($1 in told)) print; next }
    FILENAME == ARGV[1] { if (/^Inst /) told[$2] = 1; next }
    { split($0, field, "\t"); told[field[1]] = 1 }
  ' "$WORK/phased" <(cat "$WORK/held" "$WORK/excluded") <(apt-mark showhold 2>/dev/null </dev/null) "$WORK/kept-back" | paste -sd ' ')
  [[ -n $kept ]] || return 0
  warn "apt keeps back what it cannot install with what is here: $kept."
  # Nobody is up to date by what cannot be installed.
  if [[ $UPDATES == 0 ]]; then fail "$EXIT_CONFLICT" "There are updates, and none of them can be installed: $kept."; fi
}

plan_failed() {
  leave_if_stopped
  fail_by_messages "$EXIT_CONFLICT" 'The updates could not be worked out.'
}

# ---- applying them

# The packages dpkg has not finished with.
unfinished() {
  # shellcheck disable=SC2016
  dpkg-query -W -f '${Package}\t${db:Status-Status}\n' 2>/dev/null |
    awk -F '\t' '$2 ~ /^(half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$/ { print $1 }'
}

journal_left() { [[ -n $(find /var/lib/dpkg/updates -type f -name '[0-9]*' -print -quit 2>/dev/null) ]]; }

# Finishes what an interrupted run left, as apt demands before it does anything.
repair() {
  journal_left || [[ -n $(unfinished) ]] || return 0
  say '' && say '=== Finishing an interrupted installation ==='
  CHILD_MAY_STOP=false
  run_when_unlocked dpkg --force-confdef --force-confold --configure -a
  local code=$?
  CHILD_MAY_STOP=true
  leave_if_stopped
  ((code != 0)) || return 0
  # A package that cannot be configured may still be healed by its update: refuse_to_apply decides with the plan.
  if lock_refused || journal_left; then fail_by_messages "$EXIT_INTERRUPTED" 'An interrupted installation could not be finished.'; fi
}

refuse_to_apply() {
  local left
  left=$(unfinished | awk 'FILENAME == ARGV[1] { sub(/:.*/, "", $1); planned[$1] = 1; next } !($1 in planned)' \
    <(cut -f 1 "$WORK/packages") - | tr '\n' ' ')
  [[ -n $left ]] || return 1
  fail "$EXIT_INTERRUPTED" "An interrupted installation could not be finished, and no update replaces: ${left% }."
}

readonly APPLY_OPTIONS=(
  "${UPGRADE_OPTIONS[@]}" -o DPkg::Lock::Timeout=0 -o Dpkg::Use-Pty=0
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--no-force-confnew
)

download_updates() {
  run_when_unlocked apt-get "${APPLY_OPTIONS[@]}" -o Dir::Etc::Preferences="$WORK/preferences" --download-only upgrade
}

install_updates() {
  run_when_unlocked apt-get "${APPLY_OPTIONS[@]}" -o Dir::Etc::Preferences="$WORK/preferences" upgrade
}

# shellcheck disable=SC2016
installed_rows() {
  dpkg-query -W -f '${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\n' 2>/dev/null |
    sed -E 's/\ttriggers-(awaited|pending)$/\tinstalled/'
}

# ---- is a reboot needed?

# Prints "true|false<TAB>reason", or nothing when it cannot be known.
reboot_state() {
  local running packages newest built installed
  if [[ -e /run/reboot-required || -e /var/run/reboot-required ]]; then
    packages=$(sort -u /run/reboot-required.pkgs 2>/dev/null | tr '\n' ' ')
    printf 'true\tAsked for by the system%s.' "${packages:+ after updates of: ${packages% }}"
    return
  fi
  running=$(uname -r)
  # Only a kernel of the same flavour replaces the running one; a container has none of its own.
  newest=$(find /boot -maxdepth 1 -name 'vmlinuz-*' 2>/dev/null | sed 's|.*/vmlinuz-||' | awk -v running="$running" '
    function flavour(release) { sub(/^[^-]*(-[0-9][^-]*)?-/, "", release); return release }
    flavour($0) == flavour(running)' | sort -V | tail -n 1)
  [[ -n $newest ]] || return 0
  if [[ $newest != "$running" ]]; then
    printf 'true\tKernel %s is running, %s is installed.' "$running" "$newest"
    return
  fi
  # Debian may replace a kernel under the same name; its build is named in `uname -v`.
  built=$(uname -v | sed -nE 's/.* Debian ([^ ]+).*/\1/p')
  # shellcheck disable=SC2016
  installed=$(dpkg-query -W -f '${Version}' "linux-image-$running" 2>/dev/null)
  if [[ -n $built && -n $installed && $built != "$installed" ]]; then
    printf 'true\tKernel build %s is running, %s is installed.' "$built" "$installed"
  else
    printf 'false\t'
  fi
}

metadata_age() {
  local lists newest now
  lists=$(apt-config shell DIR Dir::State::lists/d 2>/dev/null)
  lists=${lists#DIR=\'}
  lists=${lists%\'}
  [[ -d $lists ]] || return 0
  # apt gives a list the time at which the repository published it.
  newest=$(find "$lists" -maxdepth 1 \( -name '*Release' -o -name '*_Packages*' \) -printf '%T@\n' 2>/dev/null | sort -n | tail -n 1)
  [[ -n $newest ]] || return 0
  now=$(date +%s)
  newest=${newest%.*}
  printf '%s' "$((now > newest ? now - newest : 0))"
}

# needrestart asks without restarting anything; Debian has nothing else that knows.
services_to_restart() {
  command -v needrestart >/dev/null || return 1
  timeout -k 5 60 needrestart -b -r l </dev/null 2>/dev/null | sed -n 's/^NEEDRESTART-SVC: *//p'
}

main "$@"
