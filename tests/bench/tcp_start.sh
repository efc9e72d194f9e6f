#!/usr/bin/env bash
# What breakwater-tcp costs for each connection, beside rblsmtpd: started with
# RBLSMTPD set and empty, so that neither asks anybody, and then with a daemon
# that passes the client and one that refuses it. After a release build; the
# daemon, for which it takes root, is in a network namespace of its own.
#
#   tests/bench/tcp_start.sh [RUNS]
#
# BREAKWATER_BIN names the programs to use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
RUNS=${1:-2000}
BIN=$(realpath "${BREAKWATER_BIN:-build/release/bin}")
WORK=$(mktemp -d)

finish() {
  [[ ${daemon:-} ]] && kill "$daemon" && wait "$daemon" || true
  rm -rf "$WORK"
}
trap finish EXIT

# Nobody is behind the list; the client that is asked about is banned by hand.
start_daemon() {
  cat >"$WORK/breakwater.toml" <<TOML
user = "nobody"
policy.sockets = ["unix:$WORK/policy.sock"]
milter.socket = ""
control.socket = "$WORK/control.sock"
enforcer.socket = "$WORK/enforcer.sock"
ban.needs_socket = false
protect.networks = ["192.0.2.0/24"]
[[zone]]
name = "dnsbl.test"
TOML
  chmod 0755 "$WORK" && chown nobody "$WORK"
  unshare --net "$BIN/breakwaterd" --config "$WORK/breakwater.toml" \
    2>"$WORK/log" &
  daemon=$!
  for _ in {1..100}; do
    grep -q event=ready "$WORK/log" && return
    sleep 0.1
  done
  cat "$WORK/log" >&2
  return 1
}

export TCPREMOTEPORT=4711 TCPLOCALIP=192.0.2.25 TCPLOCALPORT=25
rbl=(/usr/bin/rblsmtpd -t0 /usr/bin/true)
ours=("$BIN/breakwater-tcp" -p "unix:$WORK/policy.sock" /usr/bin/true)
bench() { "$BIN/tcp_start_bench" "$RUNS" "$@" | sed "s|$BIN/||; s|$WORK/||"; }

export TCPREMOTEIP=192.0.2.5 RBLSMTPD=
echo "the client passes, nobody is asked ($RUNS runs each):"
bench "${rbl[@]}" -- "${ours[@]}" -- /usr/bin/true

start_daemon
echo "the client passes, rblsmtpd is told so, the daemon is asked:"
bench /usr/bin/env RBLSMTPD= "${rbl[@]}" -- \
  /usr/bin/env -u RBLSMTPD "${ours[@]}" -- /usr/bin/env true

export TCPREMOTEIP=198.51.100.5
"$BIN/breakwater" --config "$WORK/breakwater.toml" ban "$TCPREMOTEIP" >/dev/null
echo "the client is refused, rblsmtpd is told so, the daemon is asked:"
bench /usr/bin/env RBLSMTPD=-Listed "${rbl[@]}" -- \
  /usr/bin/env -u RBLSMTPD "${ours[@]}"
