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
