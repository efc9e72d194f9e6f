#!/usr/bin/env bash
# Shows what Breakwater is for: a spam wave against a mail server with 50 slots,
# first without it, then with it. As root, on Debian 12; takes two minutes once
# it is built.
#
#   sudo contrib/demo.sh
#
# The mail server, the DNS list and the wave live in namespaces and in a root
# directory of their own; the host's mail, users, firewall and sets are left
# alone, and when the script ends, in whatever way, nothing is left running.
#
# BREAKWATER_BIN names the directory of programs that are built already,
# breakwater-wave among them. NO_COLOR makes it plain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=contrib/lib.sh
. contrib/lib.sh
# shellcheck source=contrib/stage.sh
. contrib/stage.sh

SLOTS=50
ZOMBIES=400
MAILS=2 # per second
LIST_DELAY=40
SECONDS_EACH=${BREAKWATER_DEMO_SECONDS:-45}
ROW_EVERY=3

# ---- How it looks -------------------------------------------------------------

choose_style() {
  bold='' dim='' red='' green='' off='' full='#' part='.' line='|' dash='-' cross='+'
  [[ -t 1 && ${TERM:-dumb} != dumb && ! ${NO_COLOR:-} ]] || return 0
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' off=$'\e[0m'
  # Bytes of a terminal that does not know them would be a mess.
  if [[ $(locale charmap 2>/dev/null) == UTF-8 ]]; then
    full='█' part='░' line='│' dash='─' cross='┼'
  fi
}

headline() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
step() { printf '%s  %s%s\n' "$dim" "$*" "$off"; }
indent() { sed 's/^/    /'; }

repeat() {
  local out='' i
  for ((i = 0; i < $2; i++)); do out+=$1; done
  printf '%s' "$out"
}

# cell HELD WAITING DELIVERED SENT: a bar with one mark for five sessions, its
# first part those that hold a slot; 36 columns, whatever a mark is in bytes.
cell() {
  local held=$1 waiting=$2 delivered=$3 sent=$4 marks total color=$green
  total=$(((held + waiting + 4) / 5))
  ((total <= 22)) || total=22
  marks=$(((held + 4) / 5))
  ((marks <= total)) || marks=$total
  ((held < SLOTS)) || color=$red
  printf '%s%s%s%s%*s %4d %3d/%-3d' "$color" "$(repeat "$full" "$marks")" \
    "$(repeat "$part" "$((total - marks))")" "$off" $((22 - total)) '' \
    $((held + waiting)) "$delivered" "$sent"
}

table_head() {
  local titles="  time " rule title
  rule=$(repeat "$dash" 7)
  for title in "$@"; do
    titles+=$(printf ' %s %-20s open  mail  ' "$line" "$title")
    rule+=$dash$cross$(repeat "$dash" 34)
  done
  printf '%s%s\n%s%s\n' "$dim" "$titles" "$rule" "$off"
}

table_row() {
  local second=$1 numbers
  shift
  printf '%4d s ' "$second"
  for numbers in "$@"; do
    # shellcheck disable=SC2086 # four words
    printf ' %s %s' "$line" "$(cell $numbers)"
  done
  printf '\n'
}

# ---- Before the stage ---------------------------------------------------------

# In namespaces too, so that a build that is interrupted ends whole.
build() {
  local log=build/demo.log launcher=''
  if command -v ccache >/dev/null; then
    launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
  mkdir -p build
  step "building; $log tells how far it is"
  on_stage bash -c "cmake --preset release $launcher &&
    cmake --build --preset release --target \
      breakwaterd breakwater-enforcer breakwater breakwater-wave" \
    >"$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }
}

prepare() {
  [[ ! ${BREAKWATER_BIN:-} ]] || stage_check_programs
  ((EUID == 0)) || die "demo.sh makes namespaces and mounts: run it as root"
  headline "Preparing"
  step "build tools and a root directory with Postfix, rbldnsd and dnsdist"
  install_build_packages
  # The build configures the tests as well, even where it builds none.
  install_packages libgtest-dev libgmock-dev libbenchmark-dev
  make_mta_root postfix
  [[ ${BREAKWATER_BIN:-} ]] || build
}

# ---- On the stage -------------------------------------------------------------

rows_without=()
rows_with=()

# Lets the wave run against what stands, and prints a row of figures every few
# seconds; the rows are kept, for the second time to have them beside its own.
# play without|with
play() {
  local name=$1 out=$STAGE/$1.json second sessions last
  local -n rows=rows_$1
  peak=0
  stage_start_wave "$out" --zombies "$ZOMBIES" --ramp 6 --pace 0.3 --sit 60 \
    --mails "$MAILS" --honest 6 --time "$SECONDS_EACH"
  for ((second = 1; second < SECONDS_EACH; second++)); do
    sleep 1
    is_running "$stage_wave" || break
    sessions=$(stage_sessions)
    ((peak >= ${sessions% *} + ${sessions#* })) ||
      peak=$((${sessions% *} + ${sessions#* }))
    ((second % ROW_EVERY == 0)) || continue
    last=$(tail -n 1 "$out")
    rows+=("$sessions $(json_value "$last" honest_delivered) $(
      json_value "$last" honest_sent)")
    show_row "$name" "$second"
  done
  wait "$stage_wave"
  summary=$(tail -n 1 "$out")
}

show_row() {
  local name=$1 second=$2 index=$(($2 / ROW_EVERY - 1))
  if [[ $name == without ]]; then
    table_row "$second" "${rows_without[index]}"
  else
    table_row "$second" "${rows_without[index]:-0 0 0 0}" "${rows_with[index]}"
  fi
}

# Postfix asks the list itself, as people have it.
play_without() {
  headline "1. Without Breakwater: Postfix asks the DNS list by itself"
  step "reject_rbl_client; a zombie gets its 554 and sits on its slot"
  stage_new_root
  stage_start_dns "$LIST_DELAY"
  stage_start_postfix "$SLOTS" <<<"smtpd_recipient_restrictions =
  reject_unauth_destination, reject_rbl_client $STAGE_ZONE"
  printf '\n'
  table_head without
  play without
  peak_without=$peak summary_without=$summary
  stage_stop_postfix
  stage_stop_dns
  queries_without=$(stage_dns_queries)
}

play_with() {
  headline "2. With Breakwater: the same wave, the same Postfix"
  step "check_policy_service; the kernel's set and rule are its own"
  stage_new_root
  stage_start_dns "$LIST_DELAY"
  stage_policy_door | stage_start_postfix "$SLOTS"
  stage_start_breakwater </dev/null
  printf '\n'
  table_head without with
  play with
  peak_with=$peak summary_with=$summary
  banned_with=$(in_mta ipset list breakwater4 | grep -c '^[0-9]') || true
  dropped_with=$(stage_dropped_packets)
  zombie=$(json_value "$summary_with" reply_to)
}

# ---- What came of it ----------------------------------------------------------

# milliseconds SUMMARY KEY SENT-BUT-MISSING: as people read it.
delay() {
  local value=$1 more=$2 sign=''
  ((more == 0)) || sign='> '
  awk -v sign="$sign" -v value="$value" 'BEGIN {
    if (value >= 1000) printf "%s%.1f s", sign, value / 1000
    else printf "%s%.0f ms", sign, value}'
}

# What was not delivered counts with the time that it waited for nothing.
totals_of() {
  local summary=$1 sent delivered
  sent=$(json_value "$summary" honest_sent)
  delivered=$(json_value "$summary" honest_delivered)
  delivered_text="$delivered of $sent"
  median_text=$(delay "$(json_value "$summary" honest_age_p50_ms)" \
    $((delivered * 2 < sent)))
  worst_text=$(delay "$(json_value "$summary" honest_age_max_ms)" \
    $((delivered < sent)))
}

total() { printf '  %-28s %14s %14s\n' "$@"; }

show_totals() {
  local delivered_text median_text worst_text
  headline "What came of it"
  printf '%s%s%s\n' "$dim" "$(total '' without with)" "$off"
  totals_of "$summary_without"
  local first=("$delivered_text" "$median_text" "$worst_text")
  totals_of "$summary_with"
  total "honest mail delivered" "${first[0]}" "$delivered_text"
  total "  its delay, median" "${first[1]}" "$median_text"
  total "  its delay, worst" "${first[2]}" "$worst_text"
  total "open sessions at the peak" "$peak_without" "$peak_with"
  total "addresses banned" - "$banned_with"
  total "packets dropped" - "$dropped_with"
  total "questions to the DNS list" "$queries_without" "$queries_with"
  step "the questions with Breakwater hold its own tests of the list"
  step "mail of the last second may still be on its way when the wave ends"
}

show_traces() {
  headline "What the zombie $zombie was told"
  json_value "$summary_with" reply | fold -s -w 74 | indent
  headline "The kernel's set (ipset list breakwater4)"
  in_mta ipset list breakwater4 >"$STAGE/set"
  sed -n '1,/^Members/p' "$STAGE/set" | indent
  sed '1,/^Members/d' "$STAGE/set" | head -n 5 | indent
  headline "breakwater explain $zombie"
  # The ban in force is a wide table, and said in the first line already.
  breakwater explain "$zombie" 2>&1 |
    awk -v RS= -v ORS='\n\n' '!/^The ban in force/' | fold -s -w 76 | indent
  headline "The log of $zombie"
  grep -F "client=$zombie " "$STAGE/breakwater.log" | head -n 5 |
    fold -s -w 74 | indent
}

main_on_stage() {
  headline "A mail server with $SLOTS slots, and a spam wave"
  step "$ZOMBIES zombies: each ignores its 5xx and sits on its slot for 60 s"
  step "6 honest senders: $MAILS mails a second, together"
  step "the DNS list answers after $LIST_DELAY ms"
  step "bars: one mark for 5 open sessions; $full in a slot, $part waiting for one"
  step "mail: honest ones, delivered/sent"
  stage_open
  stage_query_log=yes
  play_without
  play_with
  # Before the list is stopped: explain asks it.
  show_traces >"$STAGE/traces"
  stage_stop_breakwater
  stage_stop_postfix
  stage_stop_dns
  queries_with=$(stage_dns_queries)
  show_totals
  cat "$STAGE/traces"
  printf '\n'
}

choose_style
if [[ ${BREAKWATER_ON_STAGE:-} ]]; then
  main_on_stage
else
  prepare
  on_stage bash contrib/demo.sh
fi
