#!/usr/bin/env bash
# How fast a wave may be: so many new listed clients a second, each from a fresh
# address, through Postfix's policy door with 300 slots, the DNS list 30 to 60 ms
# away, and honest mail beside them. As root, after a release build.
#
#   tests/bench/wave.sh [CLIENTS-PER-SECOND [SECONDS [LIST-DELAY-MS...]]]
#
# With a rate of 50 and a delay of 0 it tells what a single client meets.
#
# The figures are those of a wave that is under way. How honest mail fares in
# its first seconds, while Postfix starts its processes one by one, is told too.
#
# The wave itself, Postfix and the DNS servers share the machine's processors
# with what is measured; contrib/stage.sh says how Postfix is set up.
#
# BREAKWATER_BIN names the programs to use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=contrib/lib.sh
. contrib/lib.sh
# shellcheck source=contrib/stage.sh
. contrib/stage.sh

RATE=${1:-1000}
TIME=${2:-60}
QUIET=10   # seconds before, without a wave, to compare with
ONSET=5    # seconds in which Postfix starts its processes
SLOTS=300
MAILS=20 # per second
LIST_DELAYS=("${@:3}")
((${#LIST_DELAYS[@]})) || LIST_DELAYS=(30 40 50 60)

# The summary and the peaks of one run of the wave: play NAME OPTION...
play() {
  local out=$STAGE/$1.json held waiting smtpd
  shift
  peak_smtpd=0 peak_waiting=0
  stage_start_wave "$out" --mails "$MAILS" --honest 8 --tries 3 "$@"
  while is_running "$stage_wave"; do
    sleep 1
    smtpd=$(stage_smtpd_count)
    read -r held waiting < <(stage_sessions)
    ((peak_smtpd >= smtpd)) || peak_smtpd=$smtpd
    ((peak_waiting >= waiting)) || peak_waiting=$waiting
    show_progress "$(tail -n 1 "$out")"
  done
  wait "$stage_wave"
  summary=$(tail -n 1 "$out")
}

# To stderr, beside the table.
show_progress() {
  [[ $1 == *interval* ]] || return 0
  printf '%4.0f s  smtpd %3d  sessions %3d + %3d waiting  honest p99 %7.1f ms\n' \
    "$(json_value "$1" second)" "$smtpd" "$held" "$waiting" \
    "$(json_value "$1" honest_delay_p99_ms)" >&2
}

milliseconds() { printf '%s ms' "$(json_value "$2" "$1")"; }
honest_delays() {
  local key
  for key in p50 p99 max; do
    printf '%s  ' "$(milliseconds "honest_delay_${key}_ms" "$1")"
  done
}

resident_sizes() {
  local pid
  for pid in $(stage_parts); do
    awk '/^VmRSS/ {printf "%.1f MB  ", $2 / 1024}' "/proc/$pid/status"
  done
}

# The address so many places into the wave's range.
address() { printf '198.%d.%d.%d' $((18 + ($1 >> 16))) \
  $(($1 >> 8 & 255)) $(($1 & 255)); }

row() { printf '%-44s %s\n' "$@"; }

show() {
  local wave=$1 quiet=$2 onset=$3 daemon=$4 enforcer=$5 banned begun closed
  begun=$(json_value "$wave" zombies_begun)
  closed=$(($(json_value "$wave" zombies_closed) + \
    $(json_value "$wave" zombies_reset)))
  banned=$(in_mta ipset list -t breakwater4 |
    sed -n 's/^Number of entries: //p')
  row "new listed clients a second, for $TIME s" \
    "$(awk -v n="$closed" -v s="$(json_value "$wave" seconds)" \
      'BEGIN {printf "%.0f of", n / s}') $RATE"
  row "clients begun, rejected, closed, banned" \
    "$begun $(json_value "$wave" zombies_rejected) $closed $banned"
  row "connections that timed out, were refused, put off" \
    "$(json_value "$wave" zombies_connect_timeout)$(
      ) $(json_value "$wave" zombies_refused)$(
      ) $(json_value "$wave" zombies_skipped)"
  row "connect to closed, p50 and p99" \
    "$(milliseconds connect_to_closed_p50_ms "$wave")  $(
      milliseconds connect_to_closed_p99_ms "$wave")"
  row "honest mail delivered, of sent" \
    "$(json_value "$wave" honest_delivered) $(json_value "$wave" honest_sent)"
  row "  its delay, p50, p99, worst" "$(honest_delays "$wave")"
  row "  before the wave" "$(honest_delays "$quiet")"
  row "  in the wave's first $ONSET s" "$(honest_delays "$onset")"
  row "processor time a client, daemon + enforcer" \
    "$((daemon * 1000 / begun)) + $((enforcer * 1000 / begun)) us"
  row "resident size of daemon and enforcer" "$(resident_sizes)"
  row "smtpd at the peak, of $SLOTS" "$peak_smtpd"
  row "connections waiting for one at the peak" "$peak_waiting"
}

# With the default, 100, all smtpd that started together would end together
# after a hundred sessions, and be started again one by one: at this rate every
# ten seconds. Who expects waves sets it higher.
main_cf() {
  stage_policy_door
  echo 'max_use = 2000'
}

main_on_stage() {
  local quiet onset before after
  stage_open
  stage_new_root
  stage_start_dns "${LIST_DELAYS[@]}"
  main_cf | stage_start_postfix "$SLOTS"
  stage_start_breakwater </dev/null
  play quiet --time "$QUIET"
  quiet=$summary
  play onset --arrivals "$RATE" --sit 30 --time "$ONSET" \
    --zombie-from "$(address 1)"
  onset=$summary
  read -ra before < <(stage_cpu)
  play wave --arrivals "$RATE" --sit 30 --time "$TIME" \
    --zombie-from "$(address $((RATE * (ONSET + 1))))"
  read -ra after < <(stage_cpu)
  show "$summary" "$quiet" "$onset" \
    $((after[0] - before[0])) $((after[1] - before[1]))
}

if [[ ${BREAKWATER_ON_STAGE:-} ]]; then
  main_on_stage
else
  ((EUID == 0)) || die "wave.sh makes namespaces and mounts: run it as root"
  stage_check_programs
  make_mta_root postfix
  on_stage bash tests/bench/wave.sh "$@"
fi
