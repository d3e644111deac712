#!/bin/bash
#
# Lists or applies the updates of a machine that is kept with yum: yum 3 (CentOS 7 and its kin), or yum as another
# name of dnf 4. ../README.md is its contract: arguments, output and exit codes. It needs bash 4.2, yum, rpm, awk and
# coreutils; what yum-utils adds (repoquery, needs-restarting) is used where it is installed.
#
# What would be done is read from the table that yum itself prints before it asks: the very same command with the
# answer "no". Exclusions are options of that command, so there is nothing to undo, however this run ends.

set -uo pipefail

readonly SCRIPT_NAME='yum-update.sh' SCRIPT_VERSION='1.0.0' TITLE='RHEL/CentOS YUM Update Script'
readonly MANAGER='yum' MANAGER_COMMAND='yum'
declare -A UNSUPPORTED=()

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

# ---- rpm and the plan, for dnf and yum: patch-scripts/common-rhel.sh, copied here by "npm run scripts:common" ----

# CALL is the manager with the options every call gets, among them the one without which it waits for a lock for
# ever; SCOPE are the repositories asked for, PLAN is what a simulation and its execution share. With NOBEST the
# manager leaves out what cannot be installed, instead of refusing everything.
CALL=() SCOPE=() SELECTION=() EXCLUSIONS=() PLAN=() CACHED=(-C)
readonly NOBEST=(--skip-broken --setopt=best=0)

set_call() {
  CALL=("$MANAGER_COMMAND" --color=never --setopt=exit_on_lock=1 --setopt=clean_requirements_on_remove=0)
  # The administrator may have chosen less output than is read here.
  CALL+=(--setopt=debuglevel=2 --setopt=errorlevel=3)
  local name
  if ((${#REPOS[@]} > 0)); then SCOPE=('--disablerepo=*'); fi
  for name in ${REPOS[@]+"${REPOS[@]}"}; do SCOPE+=("--enablerepo=$name"); done
  for name in ${EXCLUDE[@]+"${EXCLUDE[@]}"}; do EXCLUSIONS+=("--exclude=$(with_dot "$name")"); done
}

# `name:arch` is written with a dot here.
with_dot() { if [[ $1 == *:* ]]; then printf '%s.%s' "${1%:*}" "${1##*:}"; else printf '%s' "$1"; fi; }

# A manager command whose output is read instead of shown.
ask() { run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} "$@" 3>/dev/null 2>/dev/null; }

# rpm's own order of versions, for awk: negative, zero or positive.
# shellcheck disable=SC2016
readonly COMPARE='
  function segment(text, digits) {
    if (digits) match(text, /^[0-9]+/)
    else match(text, /^[A-Za-z]+/)
    return substr(text, 1, RLENGTH < 0 ? 0 : RLENGTH)
  }
  function compare_text(a, b, x, y, digits) {
    while (a != "" || b != "") {
      sub(/^[^A-Za-z0-9~^]+/, "", a)
      sub(/^[^A-Za-z0-9~^]+/, "", b)
      if (a ~ /^~/ || b ~ /^~/) {
        if (a !~ /^~/) return 1
        if (b !~ /^~/) return -1
        a = substr(a, 2); b = substr(b, 2)
        continue
      }
      if (a ~ /^\^/ || b ~ /^\^/) {
        if (a == "") return -1
        if (b == "") return 1
        if (a !~ /^\^/) return 1
        if (b !~ /^\^/) return -1
        a = substr(a, 2); b = substr(b, 2)
        continue
      }
      if (a == "" || b == "") break
      digits = a ~ /^[0-9]/
      x = segment(a, digits)
      y = segment(b, digits)
      if (y == "") return digits ? 1 : -1
      a = substr(a, length(x) + 1)
      b = substr(b, length(y) + 1)
      if (digits) {
        sub(/^0+/, "", x)
        sub(/^0+/, "", y)
        if (length(x) != length(y)) return length(x) - length(y)
      }
      if ((x "") < (y "")) return -1
      if ((x "") > (y "")) return 1
    }
    return (a != "") - (b != "")
  }
  function epoch(evr) { return evr ~ /^[0-9]+:/ ? substr(evr, 1, index(evr, ":") - 1) + 0 : 0 }
  function compare(a, b, x, y, difference) {
    if (epoch(a) != epoch(b)) return epoch(a) - epoch(b)
    sub(/^[0-9]+:/, "", a); sub(/^[0-9]+:/, "", b)
    x = a; sub(/-[^-]*$/, "", x)
    y = b; sub(/-[^-]*$/, "", y)
    difference = compare_text(x, y)
    if (difference) return difference
    sub(/^.*-/, "", a); sub(/^.*-/, "", b)
    return compare_text(a, b)
  }
  # NAME-[EPOCH:]VERSION-RELEASE.ARCH, or EPOCH:NAME-... as yum 3 has it, into name, version and arch.
  function parse(text, part, count, before) {
    before = text ~ /^[0-9]+:/ ? substr(text, 1, index(text, ":")) : ""
    text = substr(text, length(before) + 1)
    count = split(text, part, "-")
    arch = part[count]
    sub(/^.*\./, "", arch)
    version = part[count - 1] "-" substr(part[count], 1, length(part[count]) - length(arch) - 1)
    name = substr(text, 1, length(text) - length(version) - length(arch) - 2)
    version = before version
    sub(/^0:/, "", version)
  }
'

installed_rows() {
  # Keys are in the database like packages. An epoch of 0 is written by nobody.
  # shellcheck disable=SC1083
  rpm -qa --qf '%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\tinstalled\n' 2>/dev/null |
    awk -F '\t' -v OFS='\t' '$1 != "gpg-pubkey" { sub(/^0:/, "", $3); print }'
}

# The words of dnf, of yum 3 and of rpm.
lock_refused() {
  said ' already locked by [0-9]+|another copy is running as pid|holding the yum lock|create transaction lock on'
}

# "Running transaction" alone is no sign: rpm's own lock is taken after that.
has_begun() { grep -qE '^ +(Preparing|Installing|Upgrading|Updating|Reinstalling|Downgrading|Erasing|Running scriptlet) *: ' "$WORK/out"; }

lock_holder() {
  sed -nE 's/.* (already locked by|running as pid) ([0-9]+).*/\2/p' "$WORK/err" "$WORK/out" | head -n 1
}

# What a failed command's messages say more precisely than the stage it failed in.
exit_code_for() {
  if lock_refused; then
    echo "$EXIT_LOCK"
  elif said 'no space left on device|curl(#| error \()23|failed writing (received data|body)|more space needed on the|disk quota exceeded|not enough (free )?space|insufficient space'; then
    echo "$EXIT_DISK"
  elif said 'malformed lock file|rpmdb open failed|cannot open packages (index|database)|rpmdb: |db_runrecovery|error opening rpm database'; then
    echo "$EXIT_INTERRUPTED"
  elif (($1 == EXIT_TRANSACTION || $1 == EXIT_CONFLICT)) &&
    said 'gpg check failed|is not signed|public key .* not installed|checking of packages via gpg keys|error downloading packages|no more mirrors to try|\[errno 256\]'; then
    echo "$EXIT_DOWNLOAD"
  elif said '^config error|parsing file|problem: |nothing provides|depsolve|requires: |conflicts with .*:|error: package: '; then
    echo "$EXIT_CONFLICT"
  else
    echo "$1"
  fi
}

said() { grep -qiE "$1" "$WORK/err" "$WORK/out"; }

# The manager's own words, on one line. It may print a repository's settings or address, password and all: those
# stay out.
messages() {
  {
    grep -hiE '^ *(error|config error|problem|warning: %|- |\[errno)|no more mirrors|all mirrors were|is not signed|public key for|curl error|checking of packages via|^file .* conflicts|more space needed' "$WORK/err" "$WORK/out" ||
      tail -n 3 "$WORK/err"
  } | awk '!seen[$0]++ && ++count <= 20' | tr -s '\n\t ' ' ' | cut -c 1-2000 | sed -E 's#://[^/@ ]*@#://#g; s/^ *//; s/ *$//'
}

# ---- finding the updates

# Asks the manager what `upgrade` with these options would do, into $WORK/$1. Nothing is downloaded or changed.
simulate() {
  local output=$1 code
  shift
  ask "${CACHED[@]}" "$@" --setopt=assumeyes=0 --assumeno upgrade ${SELECTION[@]+"${SELECTION[@]}"}
  code=$?
  # yum 3 saves what it was not allowed to do.
  sed -nE 's|^ yum load-transaction (/[^ ]*/yum_save_tx[^ /]*\.yumtx)$|\1|p' "$WORK/out" | xargs -r rm -f --
  table_rows "$WORK/out" >"$WORK/$output"
  ((code != 0)) || return 0
  # Its code is 1 both for "No" and for an error.
  grep -q '^Transaction Summary' "$WORK/out" && said '^(operation aborted|exiting on user command)' && return 0
  said 'no packages marked for (upgrade|update)'
}

# Rows of the manager's table: name, arch, version, repository, what becomes of it, replaced packages. Long rows
# are wrapped; the fields are a name, an architecture, a version, a repository and a size, and only a size has spaces.
table_rows() {
  awk '
    function flush() {
      if (count >= 5 && kind != "") printf "%s\t%s\t%s\t%s\t%s\t%s\n", field[1], field[2], field[3], field[4], kind, replaced
      count = 0
      replaced = ""
    }
    /^Dependencies [Rr]esolved/ { inside = 1; next }
    !inside { next }
    /^Transaction Summary/ { flush(); inside = 0; next }
    /^=+$/ { next }
    # A hint below the heading of what is skipped.
    /^\(add / { next }
    /^[^ ].*:$/ {
      flush()
      kind = ""
      if ($0 ~ /^(Installing|Upgrading|Updating|Downgrading)( group.*packages)?:$/) kind = "update"
      else if ($0 ~ /^(Installing|Upgrading|Updating) .*dependencies:$/) kind = "dependency"
      else if ($0 ~ /^Removing/) kind = "removal"
      else if ($0 ~ /^Skipp(ing|ed)/) kind = "skipped"
      next
    }
    /^     replacing  / {
      name = $2
      sub(/\.[^.]*$/, "", name)
      replaced = replaced (replaced == "" ? "" : " ") name
      next
    }
    /^ / {
      if (count >= 5) flush()
      for (i = 1; i <= NF; i++) field[++count] = $i
    }
  ' "$1"
}

# Rows as common.sh wants them, from rows of the manager's table and what is known of these packages.
plan_rows() {
  awk -F '\t' -v OFS='\t' -v notices="$NOTICES" "$COMPARE"'
    function newest(key, version) {
      if (!(key in current) || compare(version, current[key]) > 0) current[key] = version
    }
    FILENAME == ARGV[1] { newest($1, $3); newest($1 "\t" $2, $3); next }
    FILENAME == ARGV[2] { size[$1 "\t" $2 "\t" $3 "\t" $4] = $5; next }
    FILENAME == ARGV[3] {
      parse($1)
      fixes[name "\t" arch] = fixes[name "\t" arch] " " version
      next
    }
    $5 == "removal" || $5 == "skipped" { next }
    {
      key = $1 "\t" $2
      # A package whose architecture changes keeps only its name.
      before = key in current ? current[key] : $5 == "update" && ($1 in current) ? current[$1] : ""
      security = notices == "true" ? 0 : ""
      count = split(fixes[key], fix, " ")
      for (i = 1; i <= count; i++) if (compare(fix[i], $3) <= 0) security = 1
      print $1, before, $3, $4, security, $2, size[key "\t" $3 "\t" $4], before == "" && $6 == "" ? 1 : 0, $6
    }
  ' "$WORK/installed" "$WORK/sizes" "$WORK/advisories" "$1" | sort_rows
}

# Rows of $WORK/$2 (name, architecture, anything) whose name or name:arch is among the patterns in $WORK/$1, and by
# which of both.
rows_matching() {
  awk -F '\t' -v OFS='\t' '
    FILENAME == ARGV[1] && $0 != "" {
      gsub(/[.+^]/, "[&]")
      gsub(/\*/, ".*")
      pattern[++count] = "^(" $0 ")$"
      next
    }
    FILENAME == ARGV[2] {
      how = ""
      for (i = 1; i <= count; i++) {
        if ($1 ~ pattern[i]) how = "name"
        else if (how == "" && ($1 ":" $2) ~ pattern[i]) how = "arch"
      }
      if (how != "") print $1, $2, $3, how
    }
  ' "$WORK/$1" "$WORK/$2"
}

# A package that is to stay as it is must not be replaced either. dnf sees to that itself; in yum 3, `--exclude` keeps
# away only what has that name.
exclude_replacements() {
  local name
  awk -F '\t' -v OFS='\t' '$6 != "" { count = split($6, old, " "); for (i = 1; i <= count; i++) print old[i], $2, $1 }' \
    "$WORK/all-table" >"$WORK/replacements"
  while read -r name; do EXCLUSIONS+=("--exclude=$name"); done < <(rows_matching exclusions replacements | cut -f 3)
}

find_updates() {
  local row holds_matter=true
  read_repositories
  installed_rows >"$WORK/installed"
  if [[ ! -s $WORK/installed ]]; then
    fail "$EXIT_INTERRUPTED" "The database of rpm cannot be read: $(rpm -qa 2>&1 >/dev/null | head -n 1). See rpm --rebuilddb."
    return
  fi
  note_duplicates
  if ((${#ONLY[@]} > 0)); then
    printf '%s\n' "${ONLY[@]}" >"$WORK/only"
    # By its name a package is also found by what replaces it, by name and architecture it is not.
    while IFS= read -r row; do SELECTION+=("$row"); done < <(
      rows_matching only installed | awk -F '\t' '{ print $4 == "name" ? $1 : $1 "." $2 }' | sort -u
    )
    if ((${#SELECTION[@]} == 0)); then
      UPDATES=0
      echo 'None of the packages asked for is installed.' >>"$WORK/notes"
      return
    fi
  fi
  if [[ $SECURITY == true ]]; then
    PLAN+=(--security)
    if [[ $NOTICES == false ]]; then
      fail "$EXIT_OTHER" 'No enabled repository publishes notices (updateinfo), so security updates cannot be told from others.'
      return
    fi
  fi
  # What the old metadata knows is listed, even if it is not known of every repository.
  if [[ $REFRESHED == false ]]; then CACHED+=('--setopt=*.skip_if_unavailable=1'); fi

  # Simulated only: apply never overrides a hold.
  simulate unheld-table ${PLAN[@]+"${PLAN[@]}"} --disableexcludes=all --disableplugin=versionlock || holds_matter=false
  if ! simulate all-table ${PLAN[@]+"${PLAN[@]}"}; then
    leave_if_stopped
    # When the holds alone stand in the way, they keep back what depends on them.
    if [[ $holds_matter == true ]]; then
      PLAN+=("${NOBEST[@]}")
      simulate all-table "${PLAN[@]}" || { plan_failed; return; }
    elif ((${#EXCLUSIONS[@]} > 0)); then
      simulate all-table ${PLAN[@]+"${PLAN[@]}"} "${NOBEST[@]}" || { plan_failed; return; }
      simulate plan-table ${PLAN[@]+"${PLAN[@]}"} "${EXCLUSIONS[@]}" || { plan_failed; return; }
    else
      plan_failed
      return
    fi
  fi
  if [[ $holds_matter == false ]]; then
    cp "$WORK/all-table" "$WORK/unheld-table"
    warn 'What the administrator keeps back could not be worked out.'
  fi
  cp "$WORK/all-table" "$WORK/plan-table"
  if ((${#EXCLUSIONS[@]} > 0)); then
    exclude_replacements
    PLAN+=("${EXCLUSIONS[@]}")
    if ! simulate plan-table "${PLAN[@]}"; then
      leave_if_stopped
      PLAN+=("${NOBEST[@]}")
      simulate plan-table "${PLAN[@]}" || { plan_failed; return; }
    fi
  fi
  leave_if_stopped
  cat "$WORK/unheld-table" "$WORK/all-table" "$WORK/plan-table" | awk -F '\t' '$5 != "removal" && $5 != "skipped" { print $1 "-" $3 "." $2 }' | sort -u >"$WORK/wanted"
  : >"$WORK/advisories"
  if [[ -s $WORK/wanted ]]; then
    find_sizes
    if [[ $NOTICES == true ]]; then
      # Nothing read is not the same as nothing there.
      ask "${CACHED[@]}" --disableexcludes=all --disableplugin=versionlock -q updateinfo list security || NOTICES=false
      awk 'NF >= 3 && $2 ~ /Sec/ { print $3 }' "$WORK/out" >"$WORK/advisories"
    fi
  fi
  plan_rows "$WORK/plan-table" >"$WORK/packages"
  plan_rows "$WORK/all-table" >"$WORK/all"
  plan_rows "$WORK/unheld-table" >"$WORK/unheld"
  rows_without "$WORK/all" "$WORK/packages" >"$WORK/excluded"
  rows_without "$WORK/unheld" "$WORK/all" >"$WORK/held"
  count_updates
  tell_skipped
}

# What the manager leaves out by no wish of anybody, because what it needs cannot be had.
tell_skipped() {
  local skipped
  skipped=$(awk -F '\t' '
    FILENAME == ARGV[1] { told[$1] = 1; next }
    $5 == "skipped" && !($1 in told) && !seen[$1]++ { print $1 }
  ' <(cat "$WORK/packages" "$WORK/excluded" "$WORK/held") "$WORK/plan-table" | paste -sd ' ')
  [[ -n $skipped ]] || return 0
  warn "Left out, because it cannot be installed with what is here: $skipped."
  # Nobody is up to date by what cannot be installed.
  if [[ $UPDATES == 0 ]]; then fail "$EXIT_CONFLICT" "There are updates, and none of them can be installed: $skipped."; fi
}

plan_failed() {
  leave_if_stopped
  fail_by_messages "$EXIT_CONFLICT" 'The updates could not be worked out.'
}

# The manager removes what a new package replaces, and the oldest of the kernels it keeps. Nothing else may go.
refuse_to_apply() {
  local removed
  removed=$(awk -F '\t' '
    $5 == "skipped" { next }
    $5 != "removal" { stays[$1] = 1; next }
    { name[++count] = $1 }
    END { for (i = 1; i <= count; i++) if (!(name[i] in stays)) print name[i] }
  ' "$WORK/plan-table" | paste -sd ' ')
  [[ -n $removed ]] || return 1
  fail "$EXIT_CONFLICT" "The updates would remove packages that nothing replaces: $removed."
}

# ---- repositories

refresh() {
  local code
  refresh_metadata
  code=$?
  leave_if_stopped
  # No repository at all is no evidence of being up to date, and dnf is content with it.
  if said 'there are no enabled repo'; then
    REFRESH_ERROR='No package repository is enabled.'
    fail "$EXIT_REFRESH" "$REFRESH_ERROR"
    return
  fi
  # A repository with skip_if_unavailable that does not answer is only a line in the output.
  if ((code == 0)) && ! said '^ignoring repositories'; then
    REFRESHED=true
    return
  fi
  if lock_refused; then REFRESH_ERROR=$(lock_error); else REFRESH_ERROR=$(messages); fi
  fail_by_messages "$EXIT_REFRESH" 'The metadata could not be refreshed.'
  # The first that fails ends it. The list is better for what the others have to say.
  if ((FAILURE == EXIT_REFRESH)); then refresh_others; fi
}

# Writes the enabled ones: name, when it was published (seconds). NOTICES tells whether any of them says which
# updates are for security.
NOTICES=false
read_repositories() {
  local id published cache hash digit='[0-9a-f]'
  hash=$(printf "$digit%.0s" {1..16})
  ask "${CACHED[@]}" '--setopt=*.skip_if_unavailable=1' --setopt=debuglevel=6 -v repolist enabled
  awk -v OFS='\t' '
    /^Repo-id *:/ { id = $3; sub(/\/.*/, "", id) }
    /^Repo-updated *:/ { sub(/^[^:]*: */, ""); print id, $0 }
  ' "$WORK/out" >"$WORK/dates"
  # dnf says itself where it keeps its metadata.
  cache=$(sed -n 's/^cachedir: //p' "$WORK/out" | head -n 1)
  CACHE=${cache:-$CACHE}
  while IFS=$'\t' read -r id published; do
    printf '%s\t%s\n' "$id" "$(date -d "$published" +%s 2>/dev/null)"
    # dnf adds a hash to the name of the folder.
    if [[ -n $(find "$CACHE" -name repomd.xml \( -path "*/$id-$hash/repodata/*" -o -path "*/$id/*" \) \
      -exec grep -l 'type="updateinfo"' {} + 2>/dev/null) ]]; then NOTICES=true; fi
  done <"$WORK/dates" >"$WORK/repositories"
}

metadata_age() {
  local newest now
  newest=$(cut -f 2 "$WORK/repositories" 2>/dev/null | grep -E '^[0-9]+$' | sort -n | tail -n 1)
  [[ -n $newest ]] || return 0
  now=$(date +%s)
  printf '%s' "$((now > newest ? now - newest : 0))"
}

# ---- what an interrupted run left

# A transaction that was killed leaves packages behind in their old and their new version. Rows: old, new, both as
# rpm writes them, without an epoch. Kernels are not among them: the manager knows what may be installed more than once.
duplicates() {
  [[ -n $(installed_rows | cut -f 1,2 | sort | uniq -d) ]] || return 0
  ask "${CACHED[@]}" '--setopt=*.skip_if_unavailable=1' check duplicates
  sed -nE 's/^(.*) is a duplicate with (.*)$/\1 \2/p' "$WORK/out" "$WORK/err" | sort -u | awk "$COMPARE"'
    function plain() { sub(/^[0-9]+:/, "", version); return name "-" version "." arch }
    {
      parse($1); first = version; old = plain()
      parse($2); second = version; new = plain()
      if (compare(first, second) < 0) print old "\t" new
      else print new "\t" old
    }
  '
}

note_duplicates() {
  duplicates >"$WORK/duplicates"
  awk -F '\t' '{ print "Left by an interrupted installation: " $1 " beside " $2 }' "$WORK/duplicates" >>"$WORK/notes"
}

repair() {
  local code old new
  duplicates >"$WORK/duplicates"
  [[ -s $WORK/duplicates ]] || return 0
  # "Leave it as it is" holds here, too.
  awk -F '\t' -v OFS='\t' '{ name = $2; arch = $2; sub(/-[^-]*-[^-]*$/, "", name); sub(/^.*\./, "", arch); print name, arch }' \
    "$WORK/duplicates" >"$WORK/doubled"
  if [[ -n $(rows_matching exclusions doubled) ]]; then
    warn "Not repaired, because it is excluded: $(rows_matching exclusions doubled | cut -f 1 | sort -u | paste -sd ' ') is installed in two versions."
    return
  fi
  say '' && say '=== Finishing an interrupted installation ==='
  CHILD_MAY_STOP=false
  remove_duplicates
  code=$?
  CHILD_MAY_STOP=true
  leave_if_stopped
  duplicates >"$WORK/left"
  if [[ -s $WORK/left ]]; then
    fail "$EXIT_INTERRUPTED" "An interrupted installation could not be finished: $(awk -F '\t' '{ print $1 " beside " $2 }' "$WORK/left" | paste -sd , | cut -c 1-1000)."
  elif ((code != 0)); then
    # Or somebody else has finished it meanwhile.
    say 'The manager complains, but nothing is left to be repaired.'
  else
    while IFS=$'\t' read -r old new; do warn "Repaired after an interrupted installation: $new, which takes the place of $old."; done <"$WORK/duplicates"
  fi
}

# ---- applying them

download_updates() {
  # The metadata must stay that of the plan, whatever a repository says of how long it holds.
  run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} --setopt=metadata_expire=never '--setopt=*.metadata_expire=never' \
    ${PLAN[@]+"${PLAN[@]}"} -y --downloadonly upgrade ${SELECTION[@]+"${SELECTION[@]}"}
}

install_updates() {
  local code line
  run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} -C ${PLAN[@]+"${PLAN[@]}"} -y upgrade ${SELECTION[@]+"${SELECTION[@]}"}
  code=$?
  # The manager goes on when the script of a package fails, and may even call that a success.
  while IFS= read -r line; do warn "$line"; done < <(
    cat "$WORK/out" "$WORK/err" | sed -nE 's/^ *(warning|error): (%[a-z]+\(.*\) scriptlet failed.*)$/\2/p' | awk '!seen[$0]++'
  )
  return "$code"
}

# ---- does something still run what was replaced?

# Prints "true|false<TAB>reason", or nothing when it cannot be known.
reboot_state() {
  local told code names running owner newest
  told=$(needs_restarting -r 2>/dev/null </dev/null)
  code=$?
  if ((code == 1)) && [[ $told == *'Reboot is required'* ]]; then
    names=$(sed -nE 's/^ +\* +//p' <<<"$told" | paste -sd ' ')
    printf 'true\tUpdated since the system was started: %s.' "${names:-core packages}"
    return
  fi
  if ((code == 0)) && [[ $told == *'No core libraries'* || $told == *'not be necessary'* ]]; then
    printf 'false\t'
    return
  fi
  # Without that plugin the kernels are compared. A container has none of its own.
  running=$(uname -r)
  owner=$(rpm -qa --qf '[%{=NAME}\t%{PROVIDENAME}\t%{PROVIDEVERSION}\n]' 'kernel*' 2>/dev/null |
    awk -F '\t' -v running="$running" '$2 == "kernel-uname-r" && $3 == running { print $1; exit }')
  [[ -n $owner ]] || return 0
  newest=$(rpm -q --qf '%{VERSION}-%{RELEASE}.%{ARCH}\n' "$owner" 2>/dev/null |
    awk "$COMPARE"'{ if (best == "" || compare($0, best) > 0) best = $0 } END { print best }')
  if [[ $newest == "$running" ]]; then
    printf 'false\t'
  else
    printf 'true\tKernel %s is running, %s is installed.' "$running" "$newest"
  fi
}

services_to_restart() {
  # Which service a process belongs to, only systemd knows.
  [[ -d /run/systemd/system ]] || return 1
  needs_restarting -s >"$WORK/services" 2>"$WORK/services-errors" </dev/null || return 1
  # It succeeds even when it could not find out.
  [[ ! -s $WORK/services-errors ]] || return 1
  grep -oE '^[A-Za-z0-9@_.:\\-]+\.(service|socket|scope|timer|target)$' "$WORK/services" | sort -u
  return 0
}

# ---- end of what dnf and yum share ----

# ---- yum

CACHE='' VERSION=''

manager_version() { printf '%s' "$VERSION"; }

prepare_manager() {
  VERSION=$(yum --version 2>"$WORK/err" </dev/null | grep -E -m 1 '^(dnf5|[0-9])')
  if [[ ! $VERSION =~ ^[34]\.[0-9.]+$ ]]; then
    fail "$EXIT_OTHER" "This script drives yum 3 and dnf 4, and this machine has '${VERSION:-a yum that does not run}'. Nothing was done."
    return
  fi
  set_call
  if is_dnf; then
    CACHE=/var/cache/dnf
    # A dry run leaves no lines in the logs either, but the one of --version; yum 3 logs only what it installs.
    if [[ $DRY_RUN == true ]]; then CALL+=("--setopt=logdir=$WORK/log"); fi
  else
    CACHE=$(sed -nE 's/^ *cachedir *[=:] *([^$]*[^$\/]).*/\1/p' /etc/yum.conf 2>/dev/null | tail -n 1)
    CACHE=${CACHE:-/var/cache/yum}
  fi
}

is_dnf() { [[ $VERSION == 4.* ]]; }

refresh_metadata() {
  local code silent
  if is_dnf; then
    run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} '--setopt=*.skip_if_unavailable=0' makecache --refresh
    return
  fi
  # yum 3 has no --refresh: the marks of what it knows since when are cleaned away.
  run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} clean expire-cache || return
  leave_if_stopped
  run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} makecache fast
  code=$?
  ((code == 0)) || return "$code"
  # With skip_if_unavailable it is silent about a repository that does not answer. That one has no new mark.
  silent=$(enabled_sections | while IFS= read -r id; do
    [[ -n $(find "$CACHE" -path "*/$id/cachecookie" 2>/dev/null) ]] || printf '%s ' "$id"
  done)
  [[ -n $silent ]] || return 0
  printf 'Error: no answer from %s\n' "${silent% }" >>"$WORK/err"
  return 1
}

# The repositories that the configuration of yum 3 enables, or those that were asked for.
enabled_sections() {
  if ((${#REPOS[@]} > 0)); then
    printf '%s\n' "${REPOS[@]}"
    return
  fi
  awk '
    function flush() { if (id != "" && id != "main" && enabled) print id; id = "" }
    FNR == 1 { flush() }
    /^\[.*\]/ { flush(); id = substr($0, 2, index($0, "]") - 2); enabled = 1; next }
    /^ *enabled *[=:]/ { sub(/^[^=:]*[=:] */, ""); sub(/ *$/, ""); enabled = tolower($0) ~ /^(1|yes|true)$/ }
    END { flush() }
  ' /etc/yum.conf /etc/yum.repos.d/*.repo 2>/dev/null
}

refresh_others() {
  if is_dnf; then ask '--setopt=*.skip_if_unavailable=1' makecache --refresh; else ask '--setopt=*.skip_if_unavailable=1' makecache fast; fi
}

# Rows: name, architecture, version, repository, bytes.
find_sizes() {
  local package packages=() query=()
  while IFS= read -r package; do packages+=("$package"); done <"$WORK/wanted"
  if is_dnf; then
    query=("${CALL[@]}" "${CACHED[@]}" ${SCOPE[@]+"${SCOPE[@]}"} --disableexcludes=all --disableplugin=versionlock -q repoquery)
    query+=(--qf '%{name}|%{arch}|%{epoch}:%{version}-%{release}|%{repoid}|%{downloadsize}')
  else
    command -v repoquery >/dev/null || return 0
    query=(repoquery --cache --qf '%{name}|%{arch}|%{epoch}:%{version}-%{release}|%{repoid}|%{packagesize}')
  fi
  run_when_unlocked "${query[@]}" "${packages[@]}" 3>/dev/null 2>/dev/null
  sed 's/|0:/|/' "$WORK/out" | tr '|' '\t' >"$WORK/sizes"
}

# The older version is removed, the newest installed once more, which runs the scripts that were cut off. yum 3 cannot
# do that in one go. Other packages are safe: rpm refuses to remove what is needed.
remove_duplicates() {
  local package old=() new=()
  while IFS= read -r package; do old+=("$package"); done < <(cut -f 1 "$WORK/duplicates" | sort -u)
  while IFS= read -r package; do new+=("$package"); done < <(cut -f 2 "$WORK/duplicates" | sort -u)
  run_when_unlocked rpm -e "${old[@]}" || return
  # The newest version may be gone from the repositories. It is installed all the same.
  run_when_unlocked "${CALL[@]}" ${SCOPE[@]+"${SCOPE[@]}"} -y reinstall "${new[@]}" ||
    warn "After an interruption these packages could not be installed once more: ${new[*]}. $(messages)"
  return 0
}

needs_restarting() {
  if is_dnf; then
    "${CALL[@]}" -C '--setopt=*.skip_if_unavailable=1' needs-restarting "$@"
  else
    command -v needs-restarting >/dev/null && needs-restarting "$@"
  fi
}

main "$@"
