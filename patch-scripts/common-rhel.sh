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
