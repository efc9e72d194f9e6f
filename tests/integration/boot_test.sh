#!/usr/bin/env bash
# The units on a host that boots: a Debian with systemd and Postfix, in a
# container, with the programs installed as the README says, driven by systemctl
# and by clients on the other end of a cable.
#
#   boot_test.sh BUILD-DIRECTORY
#
# Ends with 77, and says why, where no such host can be booted.
set -euo pipefail

BUILD=$(realpath "$1")
README=$(realpath "$(dirname "$0")/../../README.md")
CACHE=${BREAKWATER_CACHE:-/var/cache/breakwater}
LOWER=$CACHE/roots/mta-systemd
NAME=bwboot$$
MTA=192.0.2.25

skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}
((EUID == 0)) || skip "needs root"
[[ -e $LOWER/.breakwater ]] || skip "$LOWER is not there: contrib/test.sh makes it"
command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is not installed"
# What is mounted here is gone with us.
if [[ ! ${BREAKWATER_BOOT_TEST:-} ]]; then
  BREAKWATER_BOOT_TEST=1 exec unshare --mount --propagation private "$0" "$@"
fi

# ---- The host ----------------------------------------------------------------

WORK=$(mktemp -d)
ROOT=$WORK/root
SPAWN=
LEADER=
CGROUPS=()
failures=0

fail() {
  printf 'FAILED: %s\n' "$*"
  failures=$((failures + 1))
}
step() { printf '%6.1f s  %s\n' "$(since "$BEGIN")" "$*"; }
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {print b - a}'; }
# until SECONDS COMMAND...: whether it succeeds in time.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}
# expect SENTENCE COMMAND...
expect() {
  local sentence=$1 output
  shift
  output=$("$@" 2>&1) && return
  fail "$sentence: $*"
  { printf '%s\n' "$output" | tail -n 5; journal -n 12; } | sed 's/^/    /'
}
not() { ! "$@"; }

# In the host; in its network only, for what the root does not hold.
on() {
  timeout 60 nsenter -t "$LEADER" -a -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root SYSTEMD_COLORS=0 "$@"
}
world() { ip netns exec "$NAME" "$@"; }

cleanup() {
  if [[ $SPAWN ]]; then
    kill "$SPAWN" 2>/dev/null || true
    until_true 5 not kill -0 "$SPAWN" || kill -KILL "$SPAWN" 2>/dev/null || true
    wait "$SPAWN" 2>/dev/null || true
  fi
  ip netns del "$NAME" 2>/dev/null || true
  for group in "${CGROUPS[@]}"; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  umount -R "$WORK" 2>/dev/null || true
  rm -rf --one-file-system "$WORK"
}
trap cleanup EXIT

# What a test that was killed has left: nobody else is in these.
remove_stale() {
  local group pid
  for group in /sys/fs/cgroup/{,systemd/,unified/}bwboot*; do
    [[ -d $group ]] && ! kill -0 "${group##*bwboot}" 2>/dev/null || continue
    find "$group" -name cgroup.procs -exec cat {} + | while read -r pid; do
      kill -KILL "$pid" 2>/dev/null || true
    done
    sleep 0.5
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    ip netns del "${group##*/}" 2>/dev/null || true
  done
}

make_root() {
  mount -t tmpfs -o mode=0755 tmpfs "$WORK"
  mkdir "$ROOT" "$WORK/upper" "$WORK/work"
  mount -t overlay \
    -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$ROOT"
  rm -f "$ROOT/usr/sbin/policy-rc.d"
  DESTDIR=$ROOT cmake --install "$BUILD" --strip >"$WORK/install.log" ||
    { cat "$WORK/install.log"; exit 1; }
  cp "$BUILD/install_manifest.txt" "$WORK"
  mkdir -p "$ROOT/etc/systemd/system/rbldnsd.service.d"
  printf '%s\n' '[Service]' ExecStart= \
    'ExecStart=/usr/sbin/rbldnsd dnsbl.test:ip4set:/var/lib/rbldns/list' \
    >"$ROOT/etc/systemd/system/rbldnsd.service.d/list.conf"
  printf '%s\n' ':127.0.0.2:Listed, see https://dnsbl.test/' 127.0.0.2 \
    198.18.0.0/24 '!198.18.0.200' >"$ROOT/var/lib/rbldns/list"
  local door='check_policy_service { unix:breakwater/policy.sock,'
  door+=' default_action=DUNNO, timeout=5s, try_limit=1 }'
  chroot "$ROOT" postconf -e 'mydestination = mail.test' \
    'local_recipient_maps =' 'inet_interfaces = all' \
    'smtpd_peername_lookup = no' 'mynetworks = 127.0.0.0/8' \
    'smtpd_delay_reject = no' \
    "smtpd_client_restrictions = permit_mynetworks, $door"
}

write_config() {
  cat >"$ROOT/etc/breakwater/breakwater.toml" <<-EOF
	policy.sockets = ["unix:/var/spool/postfix/breakwater/policy.sock"]
	milter.socket = "unix:/var/spool/postfix/breakwater/milter.sock"
	ban.duration = "1h"
	dns.servers = ["127.0.0.1"]
	$(printf '%s\n' "$@")
	[[zone]]
	name = "dnsbl.test"
	answers = ["127.0.0.2"]
	EOF
}

# systemd wants cgroups that are its own. Of both kinds, so that it works on
# hosts with the old, the new or both.
boot() {
  local begin group
  CGROUPS=()
  for group in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [[ -e $group/cgroup.procs ]] || continue
    mkdir -p "$group/$NAME" 2>/dev/null || continue
    CGROUPS+=("$group/$NAME")
  done
  begin=$(now)
  (
    for group in "${CGROUPS[@]}"; do
      echo "$BASHPID" >"$group/cgroup.procs" 2>/dev/null || true
    done
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --boot \
      --register=no --keep-unit --console=pipe --private-network \
      --machine="$NAME" -D "$ROOT" </dev/null >>"$WORK/console" 2>&1
  ) &
  SPAWN=$!
  until_true 10 leader_of "$SPAWN" || return 1
  LEADER=$(leader_of "$SPAWN")
  until_true 6 on systemctl is-active -q multi-user.target || true
  on systemctl show -p Version >/dev/null 2>&1 || return 1
  connect || return 1
  step "booted in $(since "$begin") s"
}
leader_of() {
  local pid
  pid=$(cat "/proc/$1/task/$1/children") && [[ $pid ]] &&
    printf '%s\n' "${pid%% *}"
}

# The cable. Its other end speaks from any address that a test wants.
connect() {
  ip netns list | grep -qw "$NAME" || {
    ip netns add "$NAME"
    ip -n "$NAME" link set lo up
    ip -n "$NAME" route add local 198.18.0.0/15 dev lo
  }
  ip link add "v$$" type veth peer name eth0 netns "$LEADER" || return
  ip link set "v$$" netns "$NAME"
  ip -n "$NAME" addr add 192.0.2.1/24 dev "v$$"
  ip -n "$NAME" link set "v$$" up
  nsenter -t "$LEADER" -n ip addr add "$MTA/24" dev eth0
  nsenter -t "$LEADER" -n ip link set eth0 up
  nsenter -t "$LEADER" -n ip route add default via 192.0.2.1
}

reboot_host() {
  local rc=0
  on systemctl reboot || true
  wait "$SPAWN" || rc=$?
  SPAWN=
  ((rc == 133)) || fail "the reboot ended with $rc"
  boot
}

# What a client is greeted with: a line, "silence", or "dropped".
banner() {
  world python3 - "$1" "$MTA" <<-'EOF'
	import socket, sys
	try:
	    s = socket.create_connection((sys.argv[2], 25), 3, (sys.argv[1], 0))
	    s.settimeout(8)
	    print(s.makefile("rb").readline().decode().strip() or "silence")
	except TimeoutError:
	    print("dropped")
	except OSError as error:
	    print(error)
	EOF
}
banner_is() { [[ $(banner "$1") == $2* ]]; }
has_ban() { on ipset test breakwater4 "$1"; }
property() { on systemctl show -P "$2" "$1"; }
is_active() { [[ $(property "$1" ActiveState) == active ]]; }
main_pid() { property "$1" MainPID; }
# A new process of the unit that is ready.
replaced() {
  is_active "$1" && [[ $(main_pid "$1") != "$2" && $(main_pid "$1") != 0 ]]
}
enforcer_is_there() {
  on breakwater status --json | grep -q '"connected": *true'
}
journal() { on journalctl -q -o cat --no-pager "$@"; }
mark() { on journalctl -q --sync; on journalctl -q -n 1 -o export |
  sed -n 's/^__CURSOR=//p'; }
said_since() { # CURSOR TEXT
  on journalctl -q --sync
  journal --after-cursor "$1" | grep -q -- "$2"
}
# That one unit was ready before another began.
began_before() {
  local one other
  one=$(property "$1" ActiveEnterTimestampMonotonic)
  other=$(property "$2" "${3:-ExecMainStartTimestampMonotonic}")
  ((one > 0 && other > 0 && one <= other))
}

OURS="breakwaterd breakwater-enforcer breakwater-sets"

# ---- The tests ---------------------------------------------------------------

test_installation() {
  expect "sysusers knows all users" on systemd-sysusers
  expect "tmpfiles fails at no mail server that is not here" \
    on systemd-tmpfiles --create breakwater.conf
  # shellcheck disable=SC2086
  expect "units are enabled and started" on systemctl enable --now $OURS
  for unit in $OURS; do expect "$unit is active" is_active "$unit"; done
  # Tenths. The enforcer has a capability, and postconf needs its addresses; the
  # daemon reads in /proc/sys which boot this is.
  for unit in breakwaterd:14 breakwater-enforcer:14 breakwater-sets:13 \
    breakwater-tarpit:13; do
    expect "$unit is as closed as can be" on systemd-analyze security \
      --no-pager --threshold="${unit#*:}" "${unit%:*}"
  done
  expect "no unit has a word that systemd does not know" test -z \
    "$(on systemd-analyze verify breakwaterd.service breakwater-tarpit.service \
      2>&1 | grep -i breakwater | grep -v "Command 'man")"
  expect "the daemon sees which boot this is" on nsenter \
    -t "$(main_pid breakwaterd)" -m cat /proc/sys/kernel/random/boot_id
  expect "ready means that the enforcer is there" enforcer_is_there
  expect "the socket's directory is Postfix's" test \
    "$(on stat -c '%U %G %a' /var/spool/postfix/breakwater)" = \
    "breakwater postfix 2750"
  on systemctl restart postfix rbldnsd
  until_true 10 banner_is 203.0.113.9 "" || true
}

test_firewall() {
  on sh -c 'breakwater firewall print --for iptables | iptables-restore -n &&
    breakwater firewall print --for iptables --ipv6 | ip6tables-restore -n &&
    netfilter-persistent save' >"$WORK/rules.log" 2>&1 ||
    { fail "the rules cannot be loaded"; cat "$WORK/rules.log"; }
}

test_listed_client() {
  expect "a clean client is greeted" banner_is 198.18.0.200 "220"
  expect "a listed one is refused with a reason" banner_is 198.18.0.5 "521"
  expect "and is in the kernel's set" until_true 3 has_ban 198.18.0.5
  expect "which drops it" banner_is 198.18.0.5 dropped
  expect "an allowance is taken" on breakwater allow 198.18.0.7 --for 24h
  expect "and lets in" banner_is 198.18.0.7 "220"
}

test_reload() {
  local pid
  pid=$(main_pid breakwaterd)
  write_config 'log.level = "debug"'
  expect "a reload is taken" on systemctl reload breakwaterd
  write_config 'colour = "blue"'
  expect "a reload with a mistake is not" not on systemctl reload breakwaterd
  write_config ""
  expect "and the daemon stays" test "$(main_pid breakwaterd)" = "$pid"
}

test_check() {
  expect "the usual places are writable" not grep -q breakwaterd.service \
    <(on breakwaterd --check-config)
  write_config 'memory.file = "/srv/mail/memory.db"'
  expect "of a memory elsewhere the check warns" \
    grep -q 'memory.file: .*ReadWritePaths=/srv/mail' \
    <(on breakwaterd --check-config)
  write_config 'control.socket = "/var/spool/postfix/private/control.sock"'
  expect "and of a socket in Postfix' private directory" \
    grep -q 'control.socket: user breakwater .*/var/spool/postfix/private' \
    <(on breakwaterd --check-config)
  write_config ""
}

test_orderly_restart() {
  local cursor
  cursor=$(mark)
  expect "the pair is restarted" \
    on systemctl restart breakwater-enforcer breakwaterd
  expect "the enforcer alone is" on systemctl restart breakwater-enforcer
  expect "and known again" until_true 5 enforcer_is_there
  on ipset create breakwater4-24 hash:ip netmask 24 maxelem 5 timeout 7 -exist \
    2>/dev/null || true
  expect "the sets are made beside it" on systemctl restart breakwater-sets
  sleep 1.5
  expect "which loses nothing" not said_since "$cursor" sets-flushed
  expect "and no enforcer is missed" not said_since "$cursor" enforcer-lost
  expect "and the ban holds" banner_is 198.18.0.5 dropped
}

# What a start by hand leaves is not in the way of the units.
test_by_hand() {
  on systemctl stop breakwaterd breakwater-enforcer
  expect "it starts by hand" on sh -c 'breakwaterd >/dev/null 2>&1 & parent=$!
    sleep 2; breakwater status >/dev/null; rc=$?; kill $parent; sleep 1; exit $rc'
  expect "the enforcer's unit starts behind it" \
    on systemctl start breakwater-enforcer
  expect "and the daemon's does" on systemctl start breakwaterd
  expect "and they meet" until_true 5 enforcer_is_there
  on systemctl reset-failed || true
}

# More often than systemd would have a unit started that may give up.
test_kills() {
  local unit
  declare -A pids
  for _ in 1 2 3 4 5 6 7; do
    for unit in breakwaterd breakwater-enforcer; do
      pids[$unit]=$(main_pid "$unit")
      ((pids[$unit] == 0)) || on kill -KILL "${pids[$unit]}"
    done
    for unit in breakwaterd breakwater-enforcer; do
      until_true 10 replaced "$unit" "${pids[$unit]}" ||
        { fail "$unit is not back after kill -9"; return; }
    done
  done
  expect "both are there" until_true 5 enforcer_is_there
  expect "and the ban holds" banner_is 198.18.0.5 dropped
}

test_bad_configuration() {
  local begin cursor unit count
  cursor=$(mark)
  begin=$(now)
  write_config 'colour = "blue"'
  expect "a start with a mistake fails" \
    not on systemctl restart breakwaterd breakwater-enforcer
  awk -v t="$(since "$begin")" 'BEGIN {exit t > 5}' ||
    fail "who started it was told after $(since "$begin") s"
  sleep 6
  expect "the journal knows it as an error" grep -q colour \
    <(journal --after-cursor "$cursor" -p err)
  expect "and systemctl status says why" grep -q 'cannot start.*colour' \
    <(on systemctl status --no-pager breakwaterd)
  for unit in breakwaterd breakwater-enforcer; do
    count=$(journal --after-cursor "$cursor" -t "$unit" -p err | wc -l)
    ((count > 0 && count < 8)) || fail "$unit fails $count times in 6 s"
  done
  write_config ""
  expect "mended, the daemon comes back by itself" until_true 5 \
    is_active breakwaterd
  expect "the enforcer too" until_true 5 is_active breakwater-enforcer
  expect "and it works" until_true 5 enforcer_is_there
}

test_stopped() {
  local unit begin
  declare -A pids
  for unit in breakwaterd breakwater-enforcer; do
    pids[$unit]=$(main_pid "$unit")
    ((pids[$unit] > 0)) || { fail "$unit is not there to be stopped"; return; }
    on kill -STOP "${pids[$unit]}"
  done
  begin=$(now)
  for unit in breakwaterd breakwater-enforcer; do
    expect "$unit is replaced when it stands still" \
      until_true 31 replaced "$unit" "${pids[$unit]}"
  done
  awk -v t="$(since "$begin")" 'BEGIN {exit t > 30}' ||
    fail "what stood still was replaced after $(since "$begin") s"
  expect "and the two know each other" until_true 5 enforcer_is_there
}

test_reboot() {
  reboot_host || { fail "it does not boot again"; return; }
  until_true 20 is_active breakwaterd || fail "the daemon is not up"
  expect "the sets are there before the rules" \
    began_before breakwater-sets netfilter-persistent
  expect "the enforcer is ready before the daemon begins" \
    began_before breakwater-enforcer breakwaterd
  expect "the daemon is ready before Postfix begins" \
    began_before breakwaterd postfix@- ActiveEnterTimestampMonotonic
  expect "the rules are back" grep -q breakwater4 \
    <(on iptables-save -t raw)
  expect "the bans are back" until_true 10 has_ban 198.18.0.5
  expect "and drop" banner_is 198.18.0.5 dropped
  until_true 10 banner_is 198.18.0.200 220 || fail "nobody is greeted"
  expect "the allowance is back" banner_is 198.18.0.7 "220"
  expect "no unit failed" test -z \
    "$(on systemctl --failed --plain --no-legend | grep -i breakwater)"
  expect "nothing at the boot was wrong" test -z \
    "$(journal -b -p err -t breakwaterd -t breakwater-enforcer)"
}

# Rules that were saved load whatever the configuration says by now.
test_reboot_with_another_configuration() {
  write_config 'firewall.backend = "none"' 'widen.ipv6_48 = 0' 'colour ='
  reboot_host || { fail "it does not boot again"; return; }
  expect "the firewall is up all the same" grep -q breakwater4 \
    <(on iptables-save -t raw)
  expect "and nobody waits for mail" until_true 3 banner_is 198.18.0.5 220
  write_config ""
  expect "mended, the daemon comes by itself" until_true 20 \
    is_active breakwaterd
  expect "with its bans" until_true 10 has_ban 198.18.0.5
}

# The README's commands behind "To take it all away again".
removal_commands() {
  awk '/^To take it all away again/ {begun = 1}
    begun && /^    / {print substr($0, 5); seen = 1; next}
    seen && /./ {exit}' "$README"
}

# With rules of both kinds, saved for the boot, beside a rule of somebody else.
test_removal() {
  write_config 'firewall.backend = "nftables"'
  on sh -c 'iptables -A INPUT -p tcp --dport 9 -j DROP && netfilter-persistent save &&
    breakwater firewall print --for nftables --apply &&
    breakwater firewall print --for nftables > /etc/breakwater/rules.nft &&
    echo "include \"/etc/breakwater/rules.nft\"" >> /etc/nftables.conf' \
    >"$WORK/rules.log" 2>&1 || { fail "more rules"; cat "$WORK/rules.log"; }
  mkdir -p "$ROOT/root/build/install"
  cp "$WORK/install_manifest.txt" "$ROOT/root/build/install"
  removal_commands >"$ROOT/root/removal"
  expect "the README has them" grep -q install_manifest "$ROOT/root/removal"
  on sh -c 'cd /root && sh removal' >"$WORK/removal.log" 2>&1 ||
    { fail "removal"; cat "$WORK/removal.log"; }
  on systemctl reset-failed || true
  expect "no set is left" test -z "$(on ipset list -n)"
  expect "no rule is left" not grep -qi breakwater \
    <(on iptables-save; on ip6tables-save; on nft list tables)
  expect "no process is left" not on pgrep breakwater
  expect "no file is left" test -z "$(on find / -xdev -iname '*breakwater*' \
    -not -path '/.breakwater' -not -path '/proc/*' -not -path '/var/log/*' -not -path '/sys/*')"
  expect "mail flows" banner_is 198.18.0.5 "220"
  expect "what nftables loads at boot is whole" on nft -c -f /etc/nftables.conf
  reboot_host || { fail "it does not boot again"; return; }
  expect "the host's own rules are there" until_true 10 has_own_rule
  expect "and mail flows" until_true 10 banner_is 198.18.0.5 "220"
}
has_own_rule() { on iptables -C INPUT -p tcp --dport 9 -j DROP; }

# ---- All of it ---------------------------------------------------------------

BEGIN=$(now)
remove_stale
make_root
write_config ""
boot || {
  tail -n 5 "$WORK/console"
  skip "no systemd can be booted here (the console's last lines are above)"
}
TESTS="installation firewall listed_client reload check orderly_restart by_hand kills
  bad_configuration stopped reboot reboot_with_another_configuration removal"
for name in ${BREAKWATER_BOOT_TESTS:-$TESTS}; do
  step "$name"
  "test_$name"
done
step "done, $failures failures"
if ((failures > 0)); then
  [[ ! ${BREAKWATER_BOOT_LOG:-} ]] || cp -r "$ROOT/var/log/journal" "$BREAKWATER_BOOT_LOG"
  exit 1
fi
