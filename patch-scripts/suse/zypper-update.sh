#!/bin/bash
#
# Lists or applies the updates of a SUSE machine: patches first, then packages; on Tumbleweed a distribution upgrade.
# ../README.md is its contract: arguments, output and exit codes. It needs bash, zypper, rpm and awk, nothing else.
#
# Exclusions and selections are locks in private copies of the administrator's locks file, which only our own zypper
# calls are shown. His file is never written, so there is nothing to undo, however this run ends.

set -uo pipefail

readonly SCRIPT_NAME='zypper-update.sh' SCRIPT_VERSION='1.0.0' TITLE='SUSE Zypper Update Script'
readonly MANAGER='zypper' MANAGER_COMMAND='zypper'

# A rolling distribution is upgraded as a whole (zypper dup), and has snapshots instead of patches.
ROLLING=false
case $(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d \''"') in
  opensuse-tumbleweed | opensuse-slowroll | opensuse-microos) ROLLING=true ;;
esac
readonly ROLLING
declare -A UNSUPPORTED=()
if [[ $ROLLING == true ]]; then
  UNSUPPORTED=(
    [--security]='A rolling distribution publishes snapshots, not patches.'
    [--only]='A rolling distribution is upgraded as a whole; a part of it is supported by nobody.'
  )
fi

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

# The code with which zypper says that nothing is solvable, and those that are success: a reboot or a restart of zypper
# is advised, a script after the installation of a package failed.
readonly UNSOLVABLE=4 SUCCESSES=' 0 102 103 107 ' REBOOT_ADVISED=102 RESTART_ADVISED=103

OWN_LOCKS='' TEMPORARY='' PATCH_STEP=false RESTARTED=false REBOOT=false UNRESOLVED=''

prepare_manager() {
  # Waiting is ours, and so is the choice of the configuration.
  unset ZYPP_LOCK_TIMEOUT ZYPP_LOCKFILE_ROOT ZYPP_READONLY_HACK
  if [[ $DRY_RUN == true ]]; then export ZYPP_LOGFILE=/dev/null; fi
  # Named so that the next run removes what is left of it.
  TEMPORARY=/var/tmp/patchbase-zypper-update.$$
  read_configuration >"$WORK/base.conf"
  OWN_LOCKS=$(setting locksfile.path /etc/zypp/locks)
}

manager_version() { zypper --version 2>/dev/null | awk 'NR == 1 { print $2 }'; }

# ---- zypper's configuration

# The administrator's configuration as one file. Of a key that is written twice libzypp takes the last.
read_configuration() {
  local file
  if [[ -n ${ZYPP_CONF-} ]]; then
    cat -- "$ZYPP_CONF"
    return
  fi
  for file in /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf; do
    [[ -f $file ]] || continue
    cat "$file"
    echo
    break
  done
  # Newer libzypp reads these too; one in /etc stands in place of one in /usr with its name.
  for file in /usr/etc/zypp/zypp.conf.d/*.conf /etc/zypp/zypp.conf.d/*.conf; do
    [[ -f $file && ($file != /usr/* || ! -e ${file#/usr}) ]] || continue
    cat "$file"
    echo
  done
}

# The value of the key $1, or $2.
setting() {
  KEY=$1 DEFAULT=$2 awk '
    BEGIN { value = ENVIRON["DEFAULT"] }
    /^[ \t]*\[/ { main = $0 ~ /^[ \t]*\[main\]/; next }
    main && index($0, "=") {
      key = substr($0, 1, index($0, "=") - 1)
      gsub(/[ \t]/, "", key)
      if (key != ENVIRON["KEY"]) next
      value = substr($0, index($0, "=") + 1)
      gsub(/^[ \t]+|[ \t\r]+$/, "", value)
    }
    END { print value }
  ' "$WORK/base.conf"
}

# Makes the locks called $1: the administrator's when $2 is `own`, and the names and patterns in the file $3.
write_locks() {
  { [[ $2 != own || ! -f $OWN_LOCKS ]] || cat -- "$OWN_LOCKS"; } >"$WORK/$1.locks" || return
  { cat "$WORK/base.conf" && printf '\n[main]\nlocksfile.path = %s\n' "$WORK/$1.locks"; } >"$WORK/$1.conf" || return
  add_locks "$1" package <"$3"
}

# A configuration that lost its last line, on a full disk, names the administrator's own locks.
require_own_locks() {
  [[ $(tail -n 1 "$WORK/$1.conf" 2>/dev/null) == "locksfile.path = $WORK/"*.locks ]] && return 0
  fail "$EXIT_DISK" "The private locks of this run could not be written to $WORK."
  return 1
}

# Adds the names on stdin, packages or patches, to the locks called $1.
add_locks() {
  local names
  mapfile -t names
  ((${#names[@]} > 0)) || return 0
  require_own_locks "$1" && ask "$1" addlock --type "$2" -- "${names[@]}"
}

# ---- running zypper

# On a server that does not answer, zypper heeds a second signal only, and dies of it without tidying up.
# shellcheck disable=SC2016
readonly STOPPABLE='
  stop() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      kill -TERM "$child" 2>/dev/null || return
      sleep 0.3
    done
    kill -KILL "$child" 2>/dev/null
  }
  trap stop TERM
  "$@" &
  child=$!
  wait "$child" 2>/dev/null
'

# Runs a zypper that only fetches, and may be stopped.
fetch() {
  local code
  run_when_unlocked env ZYPPTMPDIR="$TEMPORARY" bash -c "$STOPPABLE" bash "$@"
  code=$?
  rm -rf "$TEMPORARY"
  return "$code"
}

# Functions for awk programs that read XML with RS = "<": a record is a tag and the text behind it.
# shellcheck disable=SC2016
readonly XML='
  function decode(text) {
    gsub(/&lt;/, "<", text)
    gsub(/&gt;/, ">", text)
    gsub(/&quot;|&#34;|&#x22;/, "\"", text)
    gsub(/&apos;|&#39;|&#x27;/, "\047", text)
    gsub(/&#9;|&#10;|&#13;|[\t\r\n]/, " ", text)
    gsub(/&amp;/, "\\&", text)
    return text
  }
  # The attributes of the tag, in A.
  function attributes(rest, name, mark, end) {
    split("", A)
    rest = $0
    sub(/^[^ \t\r\n\/>]+/, "", rest)
    while (match(rest, /^[ \t\r\n]*[A-Za-z_:][A-Za-z0-9_:.-]*[ \t\r\n]*=[ \t\r\n]*["\047]/)) {
      name = substr(rest, 1, RLENGTH - 1)
      gsub(/[ \t\r\n=]/, "", name)
      mark = substr(rest, RLENGTH, 1)
      rest = substr(rest, RLENGTH + 1)
      end = index(rest, mark)
      if (!end) return
      A[name] = decode(substr(rest, 1, end - 1))
      rest = substr(rest, end + 1)
    }
  }
'

# Runs a zypper that changes nothing, under the locks called $1; its answer is $WORK/out, in XML. It takes no lock,
# writes no log and asks no server.
ask() {
  local locks=$1 code
  shift
  run_when_unlocked env ZYPP_CONF="$WORK/$locks.conf" ZYPP_LOCKFILE_ROOT="$WORK" ZYPP_LOGFILE=/dev/null \
    zypper --non-interactive --xmlout --no-refresh "$@" 3>/dev/null 2>/dev/null
  code=$?
  # Repositories that were never reached are skipped (106); refresh has said so already, or was not to ask them.
  case $code in
    0 | 102 | 103) return 0 ;;
    106) [[ $REFRESHED == false || ${#REPOS[@]} -gt 0 ]] ;;
    *) return "$code" ;;
  esac
}

# The last command's errors and problems, line by line.
words() {
  if [[ $(head -c 5 "$WORK/out") == '<?xml' ]]; then
    awk "$XML"'
      BEGIN { RS = "<" }
      /^message[ \t]/ { attributes() }
      (/^message[ \t]/ && A["type"] == "error") || /^description>Problem/ {
        text = substr($0, index($0, ">") + 1)
        count = split(text, line, "\n")
        for (i = 1; i <= count; i++) print decode(line[i])
      }
    ' "$WORK/out"
  else
    grep -E '^(Problem: |Detected [0-9]+ file conflict|File /|  from install|     .* \(|  conflicts with)' "$WORK/out"
  fi
  cat "$WORK/err"
}

messages() {
  words | grep -vE '^ *$|^(rpm: (RPM should not|However assuming)|Please see the above|History:|Installation has been aborted as directed|Problem occurred during or after| - ABORT request)' |
    awk '!seen[$0]++ && NR <= 20' | tr -s '\n\t ' ' ' | cut -c 1-2000 | sed 's/^ *//; s/ *$//'
}

lock_refused() {
  grep -qE 'System management is locked by|PackageKit is blocking zypper|transaction lock on .*(temporarily unavailable|\(.*\))' "$WORK/out" "$WORK/err"
}

has_begun() { grep -qE '^\( *[0-9]+/[0-9]+\) (Installing|Removing)' "$WORK/out"; }

lock_holder() {
  local pid
  pid=$(sed -nE 's/.*locked by the application with pid ([0-9]+).*/\1/p' "$WORK/out" "$WORK/err" | head -n 1)
  if [[ -z $pid ]] && grep -q 'PackageKit' "$WORK/out" "$WORK/err"; then pid=$(pgrep -u 0 -ox packagekitd 2>/dev/null); fi
  printf '%s' "$pid"
}

# What a failed command's messages say more precisely than the stage it failed in.
exit_code_for() {
  words >"$WORK/said"
  if lock_refused; then
    echo "$EXIT_LOCK"
  elif grep -qiE "no space left on device|disk quota exceeded|not enough .*space|needs [0-9.]+ ?[KMGT]?B? more (space|inodes)|needs [0-9]+ (more )?inodes|can't hardlink/copy" "$WORK/said"; then
    echo "$EXIT_DISK"
  elif grep -qE 'Problem: |Detected [0-9]+ file conflict|contains garbage|ParseException|has no or invalid url|not found by its alias|Skipping disabled repository' "$WORK/said"; then
    echo "$EXIT_CONFLICT"
  else
    echo "$1"
  fi
}

# ---- finding the updates

refresh() {
  # Services, which SUSE's registration sets up, say which repositories there are. Zypper's own refreshing before
  # other commands does nothing for ten minutes after the last; this one always asks.
  local code which=(--services)
  if ((${#REPOS[@]} > 0)); then which=("${REPOS[@]}"); fi
  fetch zypper --non-interactive refresh "${which[@]}"
  code=$?
  leave_if_stopped
  # A disabled repository that is asked for by name is left out, and the code is 0 all the same.
  if ((code == 0)) && ! grep -qE 'Skipping disabled repository|not enabled or defined' "$WORK/out" "$WORK/err"; then
    REFRESHED=true
    return
  fi
  if grep -q 'no enabled repositories' "$WORK/out" "$WORK/err"; then
    REFRESH_ERROR='No package repository is enabled.'
    fail "$EXIT_REFRESH" "$REFRESH_ERROR"
    return
  fi
  if lock_refused; then REFRESH_ERROR=$(lock_error); else REFRESH_ERROR=$(messages); fi
  fail_by_messages "$EXIT_REFRESH" 'The repositories could not all be refreshed.'
}

# Sets what a plan and its execution share, so that the one is the other's promise.
prepare_commands() {
  local shared=(--auto-agree-with-licenses --no-force-resolution) repository
  for repository in ${REPOS[@]+"${REPOS[@]}"}; do shared+=(--repo "$repository"); done
  # zypper calls a patch interactive when it has a message or wants a reboot, and would leave it out.
  PATCH=(patch --with-interactive "${shared[@]}")
  if [[ $SECURITY == true ]]; then PATCH+=(--category security); fi
  UPDATE=(update --with-interactive "${shared[@]}")
  if [[ $ROLLING == true ]]; then UPDATE=(dist-upgrade --no-allow-vendor-change "${shared[@]}"); fi
  # `install` takes names, and an installed package is updated by it just the same.
  CHOOSE=(install --dry-run "${shared[@]}")
}

# Rows of the plan in $WORK/out: section, name, version, architecture, installed version.
summary() {
  awk "$XML"'
    BEGIN { RS = "<"; OFS = "\t" }
    /^to-[a-z-]+/ { section = $0; sub(/[^a-z-].*/, "", section); next }
    /^\/to-/ { section = ""; next }
    section != "" && section != "to-change-vendor" && /^solvable[ \t\r\n]/ {
      attributes()
      if (A["type"] == "package") print section, A["name"], A["edition"], A["arch"], A["edition-old"]
    }
  ' "$WORK/out"
}

# Works out what zypper would do under the locks called $1, into $WORK/$1.plan. $2: the plan without any locks.
work_out() {
  local code name
  ask "$1" "${UPDATE[@]}" --dry-run || return
  summary >"$WORK/$1.plan"
  : >"$WORK/$1.patched"
  [[ -s $WORK/patches ]] || return 0
  # A patch is installed whole or not at all, and one that cannot be would keep all the others from being installed.
  # So those that touch what is kept back are locked too; the rest of their packages come as packages.
  cp "$WORK/$1.conf" "$WORK/$1-patch.conf" && cp "$WORK/$1.locks" "$WORK/$1-patch.locks" || return
  sed -i "s|^locksfile.path = $WORK/$1.locks\$|locksfile.path = $WORK/$1-patch.locks|" "$WORK/$1-patch.conf"
  awk -F '\t' '
    FILENAME == ARGV[1] { if ($1 != "to-remove") kept[$2] = 1; next }
    FILENAME == ARGV[2] { delete kept[$2]; next }
    ($3 in kept) && !seen[$1]++ { print $1 }
  ' "${2:-$WORK/nothing}" "$WORK/$1.plan" "$WORK/patches" >"$WORK/kept-patches"
  add_locks "$1-patch" patch <"$WORK/kept-patches" || return
  ask "$1-patch" "${PATCH[@]}" --dry-run
  code=$?
  if ((code == UNSOLVABLE)); then
    messages >"$WORK/$1.unsolvable"
    # Suspected are those of which no package is an update anyway. Which of them need a removal or the like, zypper
    # says one by one; then once more without these.
    awk -F '\t' '
      FILENAME == ARGV[1] { planned[$2] = 1; next }
      { patch[$1] = 1; if ($3 in planned) possible[$1] = 1 }
      END { for (name in patch) if (!(name in possible)) print name }
    ' "$WORK/$1.plan" "$WORK/patches" >"$WORK/suspects"
    : >"$WORK/unsolvable-patches"
    while IFS= read -r name <&4; do
      ask "$1-patch" "${CHOOSE[@]}" --type patch -- "$name"
      if (($? == UNSOLVABLE)); then printf '%s\n' "$name" >>"$WORK/unsolvable-patches"; fi
    done 4<"$WORK/suspects"
    add_locks "$1-patch" patch <"$WORK/unsolvable-patches" && ask "$1-patch" "${PATCH[@]}" --dry-run
    code=$?
  fi
  if ((code == UNSOLVABLE)); then return 0; fi
  if ((code != 0)); then return "$code"; fi
  summary >"$WORK/$1.patched"
  # Where both change a package the patch has the word: it may take a version that priorities keep from an update.
  awk -F '\t' '
    FILENAME == ARGV[1] { print; seen[$2 "\t" $4] = 1; next }
    !(($2 "\t" $4) in seen)
  ' "$WORK/$1.patched" "$WORK/$1.plan" >"$WORK/merged" && mv "$WORK/merged" "$WORK/$1.plan"
}

# Needed patches: name, category, package, version that has it. $WORK/patched says whether there are any patches at all.
read_patches() {
  local repository only=()
  for repository in ${REPOS[@]+"${REPOS[@]}"}; do only+=(--repo "$repository"); done
  : >"$WORK/all-patches"
  ask none list-patches ${only[@]+"${only[@]}"} || return
  awk "$XML"'
    BEGIN { RS = "<"; OFS = "\t" }
    /^update[ \t\r\n]/ {
      attributes()
      if (A["kind"] == "patch" && A["status"] ~ /^(needed)?$/) print A["name"], A["category"]
    }
  ' "$WORK/out" >"$WORK/needed-patches"
  if ! grep -q '<update[[:space:]]' "$WORK/out"; then
    ask none list-patches --all ${only[@]+"${only[@]}"} || return
  fi
  if grep -q '<update[[:space:]]' "$WORK/out"; then echo yes >"$WORK/patched"; fi
  [[ -s $WORK/needed-patches ]] || return 0
  local names
  mapfile -t names < <(cut -f 1 "$WORK/needed-patches" | sort -u)
  ask none patch-info -- "${names[@]}" || return
  # What zypper shows for people, as one message. A patch "conflicts" with the versions that lack it.
  awk "$XML"'
    BEGIN { RS = "<"; OFS = "\t" }
    function conflict(text, part) {
      if (split(text, part, " ") != 3 || part[2] != "<") return
      sub(/\.(noarch|x86_64|i[3-6]86|aarch64|armv[67]hl|ppc64|ppc64le|riscv64|s390x)$/, "", part[1])
      print name, category, part[1], part[3]
    }
    /^message[ \t]/ {
      count = split(substr($0, index($0, ">") + 1), line, "\n")
      for (i = 1; i <= count; i++) {
        text = line[i]
        value = text
        sub(/^[A-Za-z ]*: */, "", value)
        if (text ~ /^Repository *:/) name = category = ""
        else if (text ~ /^Name *:/) name = value
        else if (text ~ /^Category *:/) category = value
        listing = text ~ /^Conflicts *:/ || (listing && text ~ /^ /)
        if (listing) conflict(decode(text ~ /^ / ? text : value))
      }
    }
  ' "$WORK/out" >"$WORK/all-patches"
}

# Which rows of the plans bring a security fix: name, version, architecture. The installed version lacks it, the new
# one has it.
read_fixes() {
  awk -F '\t' '
    function is_version(text) { return text ~ /^[A-Za-z0-9][A-Za-z0-9._+~^:-]*$/ }
    FILENAME == ARGV[1] { if ($2 == "security") { patched[$3] = patched[$3] " " $4 }; next }
    FILENAME == ARGV[2] { if ($1 in patched) current[$1] = $3; next }
    ($2 in patched) && $1 !~ /^to-(remove|downgrade)/ {
      old = $5 == "" ? current[$2] : $5
      if (old == "") next
      count = split(patched[$2], version, " ")
      for (i = 1; i <= count; i++) if (is_version($3) && is_version(version[i])) print $2 "\t" $3 "\t" $4 "\t" old "\t" version[i]
    }
  ' "$WORK/all-patches" "$WORK/installed" "$@" | sort -u >"$WORK/candidates"
  : >"$WORK/fixes"
  [[ -s $WORK/candidates ]] || return 0
  # Versions are compared by zypper itself; its shell does them all at once, and keeps a history in HOME.
  awk -F '\t' '{ print "versioncmp " $4 " " $5 "\nversioncmp " $5 " " $2 }' "$WORK/candidates" |
    HOME=$WORK ZYPP_CONF="$WORK/none.conf" ZYPP_LOCKFILE_ROOT="$WORK" ZYPP_LOGFILE=/dev/null \
      zypper --non-interactive --terse --no-refresh shell 2>/dev/null | grep -E '^-?[01]$' | paste - - >"$WORK/compared"
  paste "$WORK/candidates" "$WORK/compared" |
    awk -F '\t' '$6 == -1 && $7 != "" && $7 <= 0 { print $1 "\t" $2 "\t" $3 }' | sort -u >"$WORK/fixes"
}

# Chosen are the packages that --only names, or that replace such, and with --security those that bring a fix.
# Everything else that could be updated is locked, but for what the chosen ones need.
write_selection() {
  local names
  : >"$WORK/selection"
  [[ $SECURITY == true || ${#ONLY[@]} -gt 0 ]] || return 0
  if [[ $SECURITY == true ]]; then read_fixes "$WORK/none.plan"; fi
  read_replaced "$WORK/none.plan" || return
  printf '%s\n' ${ONLY[@]+"${ONLY[@]}"} | matching_rows "$WORK/none.plan" >"$WORK/matching"
  awk -F '\t' -v security="$SECURITY" '
    FILENAME == ARGV[1] { fixed[$1 "\t" $2 "\t" $3] = 1; next }
    security != "true" || (($2 "\t" $3 "\t" $4) in fixed) { print $2 }
  ' "$WORK/fixes" "$WORK/matching" | sort -u >"$WORK/chosen"
  mapfile -t names <"$WORK/chosen"
  : >"$WORK/needed.plan"
  if ((${#names[@]} > 0)) && ask none "${CHOOSE[@]}" -- "${names[@]}"; then summary >"$WORK/needed.plan"; fi
  leave_if_stopped
  awk -F '\t' '
    FILENAME == ARGV[1] { wanted[$1] = 1; next }
    FILENAME == ARGV[2] { wanted[$2] = 1; next }
    $1 != "to-remove" && !($2 in wanted) && !seen[$2]++ { print $2 }
  ' "$WORK/chosen" "$WORK/needed.plan" "$WORK/none.plan" >"$WORK/selection"
}

# Rows of the plan $1 that a pattern on stdin names, or all when there is no pattern.
matching_rows() {
  awk -F '\t' '
    FILENAME == ARGV[1] && $0 != "" {
      pattern = $0
      gsub(/[.+]/, "[&]", pattern)
      gsub(/\*/, ".*", pattern)
      patterns[++count] = "^" pattern "$"
      next
    }
    FILENAME == ARGV[2] { replaces[$2] = replaces[$2] " " $1; next }
    FILENAME == ARGV[3] && $1 != "to-remove" {
      chosen = count == 0
      names = split($2 replaces[$2], name, " ")
      for (i = 1; i <= count && !chosen; i++)
        for (j = 1; j <= names; j++) chosen = chosen || name[j] ~ patterns[i] || (name[j] ":" $4) ~ patterns[i]
      if (chosen) print
    }
  ' /dev/stdin "$WORK/replaced" "$1"
}

# Exclusions as zypper's patterns. It has none for an architecture, and one name is one version on all of them.
write_exclusions() {
  printf '%s\n' ${EXCLUDE[@]+"${EXCLUDE[@]}"} | awk '$0 != "" && !index($0, ":")' >"$WORK/excluding"
  printf '%s\n' ${EXCLUDE[@]+"${EXCLUDE[@]}"} | awk 'index($0, ":")' >"$WORK/excluding-arch"
  [[ ! -s $WORK/excluding-arch ]] || matching_rows "$WORK/none.plan" <"$WORK/excluding-arch" | cut -f 2 | sort -u >>"$WORK/excluding"
}

# What the plans remove because something takes its place: old name, new name, version, architecture of the new.
read_replaced() {
  local name version
  : >"$WORK/replaced"
  while IFS=$'\t' read -r name version; do
    # Nothing that says it replaces this one: code 104.
    ask none search --details --type package --obsoletes "$name = $version" || continue
    found_packages >"$WORK/found"
    OLD=$name awk -F '\t' '
      FILENAME == ARGV[1] { found[$1 "\t" $2 "\t" $3] = 1; next }
      $1 ~ /^to-(install|upgrade)/ && (($2 "\t" $3 "\t" $4) in found) { print ENVIRON["OLD"] "\t" $2 "\t" $3 "\t" $4 }
    ' "$WORK/found" "$@" | sort -u >>"$WORK/replaced"
  done < <(awk -F '\t' '$1 == "to-remove" { print $2 "\t" $3 }' "$@" | sort -u)
}

# The result of a search: name, version, architecture, name of the repository.
found_packages() {
  awk "$XML"'
    BEGIN { RS = "<"; OFS = "\t" }
    /^solvable[ \t\r\n]/ {
      attributes()
      if (A["kind"] == "package") print A["name"], A["edition"], A["arch"], A["repository"]
    }
  ' "$WORK/out"
}

# Where the packages of the plans come from: name, version, architecture, alias. A search shows a repository's name.
read_origins() {
  ask none repos || return
  awk "$XML"'
    BEGIN { RS = "<"; OFS = "\t" }
    /^repo[ \t\r\n]/ { attributes(); if (A["enabled"] != "0") print A["priority"], A["alias"], A["name"] }
  ' "$WORK/out" | sort -s -n -k 1,1 >"$WORK/repositories"
  : >"$WORK/origins"
  [[ -n $(cat "$@") ]] || return 0
  ask none search --details --type package || return
  found_packages >"$WORK/found"
  awk -F '\t' '
    # zypper.conf decides whether it is shown by name or by alias.
    FILENAME == ARGV[1] {
      for (i = 2; i <= 3; i++) if (!($i in rank)) { rank[$i] = NR; alias[$i] = $2 }
      next
    }
    FILENAME == ARGV[2] {
      key = $1 "\t" $2 "\t" $3
      if (($4 in rank) && (!(key in best) || rank[$4] < rank[best[key]])) best[key] = $4
      next
    }
    { key = $2 "\t" $3 "\t" $4 }
    (key in best) && !seen[key]++ { print key "\t" alias[best[key]] }
  ' "$WORK/repositories" "$WORK/found" "$@" >"$WORK/origins"
}

metadata_folder() { setting metadatadir "$(setting cachedir /var/cache/zypp)/raw"; }

# Bytes to download, which zypper itself says of all packages together only: alias, name, version, architecture, size.
read_sizes() {
  local folder file tool
  folder=$(metadata_folder)
  cut -f 1-3 "$WORK/origins" >"$WORK/asked"
  : >"$WORK/sizes"
  [[ -s $WORK/asked ]] || return 0
  for file in "$folder"/*/repodata/*primary.xml*; do
    case $file in
      *.xml) tool='cat' ;;
      *.gz) tool='gzip -dcq' ;;
      *.zst) tool='zstd -dcq' ;;
      *.xz) tool='xz -dcq' ;;
      *.bz2) tool='bzip2 -dcq' ;;
      *) continue ;;
    esac
    [[ -f $file ]] || continue
    # shellcheck disable=SC2086
    $tool <"$file" 2>/dev/null |
      grep -aE '<(package|name|arch|version|size)[ >]' |
      FOLDER=$(basename "${file%/repodata/*}") awk "$XML"'
        BEGIN {
          while ((getline line < ARGV[1]) > 0) { split(line, field, "\t"); asked[field[1]] = 1 }
          ARGV[1] = "-"
          RS = "<"
        }
        /^package[ >]/ { name = arch = version = ""; next }
        /^name>/ { name = decode(substr($0, 6)); sub(/ +$/, "", name); next }
        !(name in asked) { next }
        /^arch>/ { arch = substr($0, 6); sub(/[ \r\n]+$/, "", arch); next }
        /^version[ \t]/ {
          attributes()
          version = (A["epoch"] ~ /^0*$/ ? "" : A["epoch"] ":") A["ver"] "-" A["rel"]
          next
        }
        /^size[ \t]/ {
          attributes()
          if (A["package"] ~ /^[0-9]+$/) print ENVIRON["FOLDER"] "\t" name "\t" version "\t" arch "\t" A["package"]
        }
      ' "$WORK/asked" >>"$WORK/sizes"
  done
}

# Rows of a plan as ../README.md has them.
plan_rows() {
  awk -F '\t' -v known="$(cat "$WORK/patched")" '
    FILENAME == ARGV[1] { alias[$1 "\t" $2 "\t" $3] = $4; next }
    FILENAME == ARGV[2] { size[$1 "\t" $2 "\t" $3 "\t" $4] = $5; next }
    FILENAME == ARGV[3] { fixed[$1 "\t" $2 "\t" $3] = 1; next }
    FILENAME == ARGV[4] {
      key = $2 "\t" $3 "\t" $4
      replaces[key] = replaces[key] (replaces[key] == "" ? "" : " ") $1
      next
    }
    FILENAME == ARGV[5] { installed[$1 "\t" $2] = $3; next }
    $1 ~ /^to-(remove|downgrade)/ || seen[$2 "\t" $4]++ { next }
    {
      key = $2 "\t" $3 "\t" $4
      # A kernel is put beside the installed one, and still it is an update.
      current = $5 == "" ? installed[$2 "\t" $4] : $5
      folder = alias[key]
      gsub(/\//, "_", folder)
      printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", $2, current, $3, alias[key], \
        known == "" ? "" : (key in fixed) ? 1 : 0, $4, size[folder "\t" key], \
        current == "" && replaces[key] == "", replaces[key]
    }
  ' "$WORK/origins" "$WORK/sizes" "$WORK/fixes" "$WORK/replaced" "$WORK/installed" "$1" | sort_rows
}

find_updates() {
  prepare_commands
  : >"$WORK/nothing" && : >"$WORK/patched" && : >"$WORK/patches" && : >"$WORK/fixes" && : >"$WORK/replaced"
  # Of several versions of a name the newest comes last.
  installed_rows | LC_ALL=C sort -t $'\t' -k 1,2 -k 3,3V >"$WORK/installed"
  if ! work_out_plans; then
    leave_if_stopped
    fail_by_messages "$EXIT_CONFLICT" 'The updates could not be worked out.'
    return
  fi
  plan_rows "$WORK/plan.plan" >"$WORK/packages"
  plan_rows "$WORK/all.plan" >"$WORK/all-rows"
  plan_rows "$WORK/unheld.plan" >"$WORK/unheld-rows"
  rows_without "$WORK/all-rows" "$WORK/packages" >"$WORK/excluded"
  rows_without "$WORK/unheld-rows" "$WORK/all-rows" >"$WORK/held"
  # An empty list from repositories that did not answer says nothing.
  if [[ $REFRESHED == true || -s $WORK/packages ]]; then count_updates; fi
  if [[ -s $WORK/plan.patched ]]; then PATCH_STEP=true; fi
  check_plan
}

work_out_plans() {
  write_locks none nobody "$WORK/nothing" && read_patches || return
  if [[ $SECURITY == true && ! -s $WORK/patched && $REFRESHED == true ]]; then
    fail "$EXIT_OTHER" 'No enabled repository has patches, so nobody can tell which updates are security updates.'
    return 1
  fi
  # Patches are for whoever asks for all, or for all of security.
  if [[ $ROLLING == false && ${#ONLY[@]} -eq 0 ]]; then
    awk -F '\t' -v security="$SECURITY" 'security != "true" || $2 == "security"' "$WORK/all-patches" >"$WORK/patches"
  fi
  work_out none '' && write_selection && write_exclusions || return
  if [[ -s $WORK/selection ]]; then
    write_locks unheld nobody "$WORK/selection" && work_out unheld "$WORK/none.plan" || return
  else
    copy_plan none unheld || return
  fi
  if [[ -f $OWN_LOCKS ]] && grep -q '[^[:space:]]' "$OWN_LOCKS"; then
    write_locks all own "$WORK/selection" && work_out all "$WORK/none.plan" || return
  else
    copy_plan unheld all || return
  fi
  if [[ -s $WORK/excluding ]]; then
    cat "$WORK/selection" >>"$WORK/excluding"
    write_locks plan own "$WORK/excluding" && work_out plan "$WORK/none.plan" || return
  else
    copy_plan all plan || return
  fi
  set -- "$WORK/plan.plan" "$WORK/all.plan" "$WORK/unheld.plan"
  read_fixes "$@" && read_replaced "$@" && read_origins "$@" && read_sizes
}

copy_plan() {
  local kind from
  for from in "$1" "$1-patch"; do
    for kind in plan conf locks patched unsolvable; do
      [[ ! -e $WORK/$from.$kind ]] || cp "$WORK/$from.$kind" "$WORK/$2${from#"$1"}.$kind" || return
    done
  done
}

# What must not be done, or cannot be.
check_plan() {
  local lost older
  lost=$(awk -F '\t' '
    FILENAME == ARGV[1] { replaced[$1] = 1; next }
    $1 == "to-remove" && !($2 in replaced) && !seen[$2]++ { print $2 }
  ' "$WORK/replaced" "$WORK/plan.plan" | paste -sd ' ')
  older=$(awk -F '\t' '$1 ~ /^to-downgrade/ && !seen[$2]++ { print $2 }' "$WORK/plan.plan" | paste -sd ' ')
  if [[ -n $lost$older ]]; then
    fail "$EXIT_CONFLICT" "zypper would do more than update:${lost:+ remove $lost;}${older:+ downgrade $older;} nothing is applied."
  fi
  [[ -s $WORK/plan.unsolvable ]] || return 0
  # A patch of which nothing is planned and nothing kept back on purpose is one that cannot be installed.
  UNRESOLVED=$(awk -F '\t' '
    FILENAME != ARGV[4] { told[$1] = 1; next }
    { patch[$1] = 1; if ($3 in told) resolved[$1] = 1 }
    END { for (name in patch) if (!(name in resolved)) print name }
  ' "$WORK/packages" "$WORK/excluded" "$WORK/held" "$WORK/patches" | sort | paste -sd ' ')
  [[ -n $UNRESOLVED ]] || return 0
  UNRESOLVED="Needed patches cannot be installed: $UNRESOLVED. $(cat "$WORK/plan.unsolvable")"
  # What can be done is done first.
  if [[ $DRY_RUN == true || ! -s $WORK/packages ]]; then fail "$EXIT_CONFLICT" "$UNRESOLVED"; fi
}

# ---- applying them

refuse_to_apply() {
  [[ -s $WORK/packages && ! -w /usr ]] || return 1
  fail "$EXIT_CONFLICT" '/usr cannot be written to: such a system is updated by transactional-update.'
}

# Runs a step of the plan as people see it: `transact HOW LOCKS COMMAND...`, where HOW is `fetch` or
# `run_when_unlocked`. Returns 0 for each of zypper's successes.
transact() {
  local how=$1 locks=$2 code
  shift 2
  require_own_locks "$locks" || return
  "$how" env ZYPP_CONF="$WORK/$locks.conf" zypper --non-interactive --no-refresh "$@"
  code=$?
  cat "$WORK/out" "$WORK/err" | sed -nE 's/.*%([a-z]+)\((.*)\) scriptlet failed, (exit status [0-9]+|signal [0-9]+).*/The %\1 script of \2 failed, \3./p' |
    grep -vE '^The %(pre|pretrans)(in)? ' | sort -u >"$WORK/failed-scripts"
  while IFS= read -r; do warn "$REPLY"; done <"$WORK/failed-scripts"
  # zypper itself was updated, and wants to do the rest as its new self.
  RESTARTED=false
  if ((code == RESTART_ADVISED)); then RESTARTED=true; fi
  if ((code == REBOOT_ADVISED)); then REBOOT=true; fi
  [[ $SUCCESSES != *" $code "* ]] || return 0
  return "$code"
}

download_updates() {
  if [[ $PATCH_STEP == true ]]; then transact fetch plan-patch "${PATCH[@]}" --download-only || return; fi
  transact fetch plan "${UPDATE[@]}" --download-only || return
  REBOOT=false
}

install_updates() {
  local round code=0
  if [[ $PATCH_STEP == true ]]; then
    for round in 1 2 3 4 5; do
      transact run_when_unlocked plan-patch "${PATCH[@]}" --download in-advance
      code=$?
      if ((code == UNSOLVABLE && round > 1)); then
        # The plan could not look beyond the restart; the packages come as packages.
        code=0
        break
      fi
      if ((code != 0)) || [[ $RESTARTED == false ]]; then break; fi
      say "zypper has updated itself, and goes on with what is left."
    done
    ((code == 0)) || return "$code"
  fi
  transact run_when_unlocked plan "${UPDATE[@]}" --download in-advance
  code=$?
  if ((code != 0)) && [[ $PATCH_STEP == true ]] && lock_refused; then
    # The patches are in: this is no run in which nothing happened.
    fail "$EXIT_LOCK" "$(lock_error)"
    return 0
  fi
  if ((code == 0)) && [[ -n $UNRESOLVED ]]; then fail "$EXIT_CONFLICT" "$UNRESOLVED"; fi
  return "$code"
}

installed_rows() {
  rpm -qa --qf '%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\tinstalled\t%{INSTALLTIME}\n' 2>/dev/null |
    awk 'BEGIN { FS = OFS = "\t" } $1 != "gpg-pubkey" { sub(/^0+:/, "", $3); print }'
}

# ---- what an interruption leaves

# Packages of which rpm was stopped between writing the new version down and removing the old: name, architecture,
# version, "new" or "old". Kernels and the like are meant to be there several times.
doubled() {
  local name several
  installed_rows >"$WORK/installed"
  several=$({
    setting multiversion ''
    sed '/^#/d' /etc/zypp/multiversion.d/*.conf 2>/dev/null
  } | tr -s ' ,' '\n' | sort -u)
  awk -F '\t' 'seen[$1 "\t" $2]++ == 1 { print $1 }' "$WORK/installed" | sort -u | while IFS= read -r name; do
    {
      printf '%s\n' "$name"
      rpm -q --provides "$name" 2>/dev/null | sed 's/ .*//; s/^/provides:/'
    } | grep -qxF -e 'provides:multiversion(kernel)' -f <(printf '%s\n' "$several" | sed '/^$/d') || printf '%s\n' "$name"
  done | awk -F '\t' '
    FILENAME != ARGV[2] { doubled[$1] = 1; next }
    $1 in doubled { row[++count] = $0; key = $1 "\t" $2; times[key]++; if ($5 + 0 >= newest[key]) { newest[key] = $5 + 0; last[key] = count } }
    END {
      for (i = 1; i <= count; i++) {
        split(row[i], field, "\t")
        key = field[1] "\t" field[2]
        if (times[key] > 1) print key "\t" field[3] "\t" (last[key] == i ? "new" : "old")
      }
    }
  ' - "$WORK/installed"
}

# Such an update is done again, with its scripts, from the file that zypper removes only after success. Without that
# file nobody knows whether somebody wanted both versions: they are named, and stay.
repair() {
  local name arch version state file folder
  doubled >"$WORK/doubled"
  [[ -s $WORK/doubled ]] || return 0
  folder=$(setting packagesdir "$(setting cachedir /var/cache/zypp)/packages")
  : >"$WORK/repaired"
  CHILD_MAY_STOP=false
  while IFS=$'\t' read -r name arch version state <&4; do
    [[ $state == new ]] || continue
    file=$(find "$folder" -name "$name-${version#*:}.$arch.rpm" -print -quit 2>/dev/null)
    if [[ -z $file ]]; then
      warn "Several versions of $name are installed; zypper verify shows how to get rid of the others."
      continue
    fi
    [[ -s $WORK/repaired ]] || { say '' && say '=== Finishing an interrupted installation ==='; }
    printf '%s\t%s\n' "$name" "$arch" >>"$WORK/repaired"
    run_when_unlocked rpm -U --force --nodeps "$file"
  done 4<"$WORK/doubled"
  CHILD_MAY_STOP=true
  [[ -s $WORK/repaired ]] || return 0
  leave_if_stopped
  doubled | cut -f 1,2 | sort -u | grep -xF -f "$WORK/repaired" | cut -f 1 | paste -sd ' ' >"$WORK/doubled"
  ! grep -q '[^[:space:]]' "$WORK/doubled" ||
    fail_by_messages "$EXIT_INTERRUPTED" "An interrupted installation could not be finished: of $(cat "$WORK/doubled") the old version is still there."
}

# ---- is a reboot needed?

reboot_state() {
  local running newest code
  if [[ $REBOOT == true ]]; then
    printf 'true\tAsked for by a patch of this run.'
    return
  fi
  running=$(uname -r)
  # Only a kernel of the same flavour replaces the running one; a container has none of its own.
  newest=$(find /boot /usr/lib/modules -maxdepth 2 \( -path '/boot/vmlinuz-*' -o -path '/usr/lib/modules/*/vmlinuz' \) 2>/dev/null |
    sed 's|^/boot/vmlinuz-||; s|^/usr/lib/modules/||; s|/vmlinuz$||' |
    awk -v running="$running" '
      function flavour(release) { sub(/^.*-/, "", release); return release }
      flavour($0) == flavour(running)' | sort -uV | tail -n 1)
  if [[ -n $newest && $newest != "$running" ]]; then
    printf 'true\tKernel %s is running, %s is installed.' "$running" "$newest"
    return
  fi
  ZYPP_LOCKFILE_ROOT=$WORK ZYPP_LOGFILE=/dev/null zypper --non-interactive --no-refresh needs-rebooting </dev/null >/dev/null 2>&1
  code=$?
  if ((code == 102)); then
    printf 'true\tA core library or the kernel was updated since the last boot, says zypper needs-rebooting.'
  elif ((code == 0)); then
    printf 'false\t'
  fi
}

# zypper finds them by lsof, which not every machine has.
services_to_restart() {
  command -v lsof >/dev/null || return 1
  ZYPP_LOCKFILE_ROOT=$WORK ZYPP_LOGFILE=/dev/null zypper --non-interactive ps -sss </dev/null >"$WORK/services" 2>/dev/null
  case $? in
    0 | 102) ;;
    *) return 1 ;;
  esac
  grep -E '^[^ ]+$' "$WORK/services" | sort -u
  return 0
}

# Whether $1 is the folder of an enabled repository, as far as they are known.
in_use() {
  [[ -s $WORK/repositories ]] || return 0
  cut -f 2 "$WORK/repositories" | tr / _ | FOLDER=$1 awk '$0 == ENVIRON["FOLDER"] { found = 1 } END { exit !found }'
}

metadata_age() {
  local folder file newest now
  folder=$(metadata_folder)
  newest=$(
    for file in "$folder"/*/repodata/repomd.xml; do
      # A disabled repository leaves its lists behind.
      if [[ ! -f $file ]] || ! in_use "$(basename "${file%/repodata/*}")"; then continue; fi
      # The revision is a time wherever SUSE publishes; elsewhere the time of the lists counts.
      awk '
        BEGIN { RS = "<" }
        /^revision>[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]+[ \r\n]*$/ { revision = substr($0, 10) + 0 }
        /^timestamp>[0-9]+/ { time = substr($0, 11) + 0; if (time > newest) newest = time }
        END { if (revision > 0 && revision < 99999999999) printf "%d\n", revision; else if (newest) printf "%d\n", newest }
      ' "$file"
    done | sort -n | tail -n 1
  )
  [[ -n $newest ]] || return 0
  now=$(date +%s)
  printf '%s' "$((now > newest ? now - newest : 0))"
}

main "$@"
