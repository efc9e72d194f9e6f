# shellcheck shell=bash
# The stage for contrib/demo.sh and tests/bench/wave.sh: a mail server with a
# DNS list, Breakwater beside it, and the rest of the world, in two network
# namespaces. To be sourced, by bash, after contrib/lib.sh.
#
#   stage_check_programs         whether all programs are there
#   on_stage COMMAND...          runs it where nothing can outlive it
#   stage_open                   in there: the namespaces and the cable
#   stage_new_root               a fresh copy of the mail server's root
#   stage_start_dns, ..._postfix, ..._breakwater, ..._wave, and stage_stop_...
#
# A process, mount and network namespace of their own hold everything: when the
# first process in there ends, however it does, the kernel ends the others,
# takes the mounts away, and with them the files, the network, its sets and its
# rules. So there is nothing to clean up, and nothing that could be forgotten.

STAGE=/run/stage
STAGE_MTA=192.0.2.25
STAGE_ZONE=dnsbl.test
STAGE_BIN=${BREAKWATER_BIN:-$PWD/build/release/bin}
STAGE_ETC=$PWD/etc

# Before anything begins: what is played with is there, and can be run.
stage_check_programs() {
  local program missing=()
  for program in breakwaterd breakwater-enforcer breakwater breakwater-wave; do
    [[ -x $STAGE_BIN/$program ]] || missing+=("$program")
  done
  ((${#missing[@]} == 0)) ||
    die "$STAGE_BIN has no ${missing[*]}: a whole build has them" \
      "(cmake --preset release && cmake --build --preset release)"
}

# on_stage COMMAND...: in new namespaces. A signal to this shell, or its end,
# ends all that is in there. The command sees BREAKWATER_ON_STAGE.
on_stage() {
  local child status=0
  BREAKWATER_ON_STAGE=yes setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child --mount-proc "$@" &
  child=$!
  # shellcheck disable=SC2064 # the child of now
  trap "stage_abort $child" INT TERM HUP
  wait "$child" || status=$?
  trap - INT TERM HUP
  return "$status"
}

stage_abort() {
  trap '' INT TERM HUP
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  say
  say "stopped; nothing is left running."
  exit 130
}

# As words, for what runs beside the script: a function's pid would be that of
# a shell around the program.
IN_MTA=(nsenter --net=/run/netns/mta)
IN_WORLD=(nsenter --net=/run/netns/world)
in_mta() { "${IN_MTA[@]}" "$@"; }

# The host's /run is hidden, so that no socket, lock or namespace of the host is
# met by its name.
stage_open() {
  mount -t tmpfs -o mode=0755 stage /run
  mkdir -p "$STAGE"
  local side
  for side in mta world; do
    ip netns add "$side"
    ip -n "$side" link set lo up
    stage_sysctl "$side" net/core/somaxconn 8192
    stage_sysctl "$side" net/ipv4/conf/all/rp_filter 0
    stage_sysctl "$side" net/ipv4/conf/default/rp_filter 0
  done
  ip -n mta link add wire type veth peer name wire netns world
  ip -n mta addr add "$STAGE_MTA/24" dev wire
  ip -n world addr add 192.0.2.1/24 dev wire
  ip -n mta link set wire up
  ip -n world link set wire up
  ip -n mta route add default via 192.0.2.1
  # The world may speak from each of these addresses without having it.
  ip -n world route add local 198.18.0.0/15 dev lo
  ip -n world route add local 203.0.113.0/24 dev lo
}

stage_sysctl() {
  nsenter --net="/run/netns/$1" tee "/proc/sys/$2" <<<"$3" >/dev/null
}

# The cached root stays as it is: what is written goes to memory. A root of its
# own for each run, since a queue with yesterday's mail is another mail server.
stage_new_root() {
  local lower
  lower=$(root_path mta-postfix)
  # Nobody makes the cached root anew while we stand on it.
  exec {stage_lock}<"$lower.lock"
  flock -s "$stage_lock"
  stage_roots=$((${stage_roots:-0} + 1))
  STAGE_ROOT=$STAGE/$stage_roots/root
  local base=${STAGE_ROOT%/root}
  mkdir -p "$base"/{root,upper,work}
  mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$base/upper,workdir=$base/work" "$STAGE_ROOT"
}

# The list server on port 5353, and in front of it one that answers as late as a
# real list does: stage_start_dns MILLISECONDS..., each for an equal part of the
# questions. stage_query_log=yes keeps them for stage_dns_queries.
stage_start_dns() {
  local query_log=() zone=$STAGE_ROOT/var/lib/rbldns
  [[ ${stage_query_log:-} ]] && query_log=(-l +queries)
  cat >"$zone/listed" <<END
\$SOA 300 ns.$STAGE_ZONE hostmaster.$STAGE_ZONE 1 600 300 86400 300
\$NS 300 ns.$STAGE_ZONE
\$TTL 300
:127.0.0.2:Sends spam, see https://$STAGE_ZONE/\$
127.0.0.2
198.18.0.0/15
END
  chroot "$STAGE_ROOT" chown -R rbldns /var/lib/rbldns
  "${IN_MTA[@]}" chroot "$STAGE_ROOT" rbldnsd -n -u rbldns -w /var/lib/rbldns \
    -b 127.0.0.1/5353 "${query_log[@]}" "$STAGE_ZONE:ip4set:listed" \
    >"$STAGE/rbldnsd.log" 2>&1 &
  stage_list=$!
  stage_late_conf "$@" >"$STAGE_ROOT/etc/dnsdist/late.conf"
  "${IN_MTA[@]}" chroot "$STAGE_ROOT" dnsdist --supervised --disable-syslog \
    -C /etc/dnsdist/late.conf >"$STAGE/dnsdist.log" 2>&1 &
  stage_late=$!
  wait_for "the DNS list" grep -q 'Listening on' "$STAGE/dnsdist.log"
}

stage_late_conf() {
  local delay count=0
  cat <<'END'
setSecurityPollSuffix('')
setLocal('127.0.0.1:53')
setMaxUDPOutstanding(65535)
newServer({address='127.0.0.1:5353'})
getServer(0):setUp()
END
  # Each rule is looked at, the last one that fits decides.
  for delay in "$@"; do
    count=$((count + 1))
    printf 'addAction(ProbaRule(1.0/%d), DelayAction(%d))\n' "$count" "$delay"
  done
}

stage_stop_dns() { stop_process "$stage_late" && stop_process "$stage_list"; }

# How many questions the list was asked. Its log is flushed when it ends.
stage_dns_queries() { wc -l <"$STAGE_ROOT/var/lib/rbldns/queries"; }

# stage_start_postfix SLOTS <MAIN.CF: the lines that make the difference.
#
# What is set here for the sake of a fair race, and why: limits for each client
# are off (smtpd_client_*), since the wave has many addresses and few sessions
# of each; names of clients are not looked up, and in_flow_delay does not slow
# down sessions that end without a mail. The rest are Postfix's defaults, the
# shorter times and limits that it takes under stress included.
stage_start_postfix() {
  local slots=$1 queue=$STAGE_ROOT/var/spool/postfix
  stage_base_main_cf >"$STAGE_ROOT/etc/postfix/main.cf"
  cat >>"$STAGE_ROOT/etc/postfix/main.cf"
  printf 'default_process_limit = %s\n' "$slots" \
    >>"$STAGE_ROOT/etc/postfix/main.cf"
  stage_master_cf >"$STAGE_ROOT/etc/postfix/master.cf"
  # smtpd lives in a jail in the queue's directory.
  mkdir -p "$queue/etc"
  echo 'nameserver 127.0.0.1' |
    tee "$STAGE_ROOT/etc/resolv.conf" >"$queue/etc/resolv.conf"
  install -d -o 5000 -g 5000 "$STAGE_ROOT/var/mail/virtual"
  in_mta chroot "$STAGE_ROOT" /usr/lib/postfix/sbin/master -w ||
    { tail -n 20 "$STAGE_ROOT/var/log/postfix.log" >&2; return 1; }
}

stage_base_main_cf() {
  cat <<'END'
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = mail.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
default_transport = discard
notify_classes =
virtual_mailbox_domains = mail.test
virtual_mailbox_base = /var/mail/virtual
virtual_mailbox_maps = inline:{ {honest@mail.test = honest/} }
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_client_auth_rate_limit = 0
in_flow_delay = 0
END
}

# Debian's, without what delivers elsewhere. Only smtpd counts its processes
# against the limit: a small one would slow down the rest as well.
stage_master_cf() {
  cat <<'END'
smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
END
}

stage_stop_postfix() {
  local pid
  pid=$(tr -d ' \n' <"$STAGE_ROOT/var/spool/postfix/pid/master.pid")
  stop_process "$pid"
  # Its children follow it in their own time.
  wait_for "the end of Postfix" no_smtpd
}

no_smtpd() { [[ $(stage_smtpd_count) == 0 ]]; }

# All processes of that name here are ours: there are no others.
stage_smtpd_count() { pgrep -c -x smtpd || true; }

# Prints two numbers: sessions that a process has, and those that wait for one.
# A socket gets its inode when it is accepted.
stage_sessions() {
  in_mta ss -Htne state established '( sport = :25 )' 2>/dev/null |
    awk '/ ino:[1-9]/ {held++; next} {waiting++}
         END {print held + 0, waiting + 0}'
}

# As root, it starts its parts by itself and gives up its privileges.
# stage_start_breakwater <TOML: more configuration.
stage_start_breakwater() {
  local gid sockets=$STAGE_ROOT/var/spool/postfix/breakwater
  gid=$(awk -F: '$1 == "postfix" {print $3}' "$STAGE_ROOT/etc/group")
  install -d -o nobody -g "$gid" -m 2750 "$sockets"
  STAGE_CONFIG=$STAGE/breakwater.toml
  {
    stage_config "$sockets"
    cat
  } >"$STAGE_CONFIG"
  "${IN_MTA[@]}" "$STAGE_BIN/breakwaterd" --config "$STAGE_CONFIG" \
    >"$STAGE/breakwater.log" 2>&1 &
  stage_breakwater=$!
  wait_for "Breakwater" grep -q event=enforcer-connected \
    "$STAGE/breakwater.log" ||
    { cat "$STAGE/breakwater.log" >&2; return 1; }
  stage_load_rules
}

# A kernel may have only one of the two ways.
stage_load_rules() {
  local rules=$STAGE_ETC/iptables/breakwater.v4
  for stage_iptables in iptables-nft iptables-legacy; do
    in_mta "$stage_iptables-restore" --noflush <"$rules" 2>/dev/null && return
  done
  in_mta iptables-restore --noflush <"$rules"
}

stage_config() {
  cat <<END
mode = "enforce"
user = "nobody"
[milter]
socket = "unix:$1/milter.sock"
[policy]
sockets = ["unix:$1/policy.sock"]
[dns]
servers = ["127.0.0.1"]
[ban]
duration = "10m"
ports = [25]
[enforcer]
socket = "$STAGE/enforcer.sock"
user = "daemon"
[control]
socket = "$STAGE/control.sock"
[memory]
file = "$STAGE/memory/memory.db"
[[zone]]
name = "$STAGE_ZONE"
END
}

stage_stop_breakwater() { stop_process "$stage_breakwater"; }

breakwater() {
  in_mta "$STAGE_BIN/breakwater" --config "$STAGE_CONFIG" "$@"
}

# The lines of main.cf that the README gives.
stage_policy_door() {
  cat <<'END'
smtpd_delay_reject = no
smtpd_client_restrictions = permit_mynetworks
  check_policy_service { unix:breakwater/policy.sock,
    default_action=DUNNO, timeout=5s, try_limit=1 }
END
}

# Packets and bytes come before a rule's target.
stage_dropped_packets() {
  in_mta "$stage_iptables" -t raw -vnxL |
    awk '$3 == "DROP" {packets += $1} END {print packets + 0}'
}

# The pids of the daemon and of the enforcer: what a breakwaterd that was started
# as root starts.
stage_parts() {
  local pid name daemon='' enforcer=''
  for pid in $(<"/proc/$stage_breakwater/task/$stage_breakwater/children"); do
    name=$(<"/proc/$pid/comm")
    if [[ $name == breakwaterd ]]; then daemon=$pid; else enforcer=$pid; fi
  done
  echo "$daemon" "$enforcer"
}

# Their processor time so far, in milliseconds: the 14th and 15th word.
stage_cpu() {
  local pid stat words
  for pid in $(stage_parts); do
    # The second word, a name in parentheses, may hold blanks.
    stat=$(<"/proc/$pid/stat")
    read -ra words <<<"${stat##*) }"
    printf '%d ' $(((words[11] + words[12]) * 1000 / $(getconf CLK_TCK)))
  done
  echo
}

# stage_start_wave OUT OPTION...: breakwater-wave from the world, told in OUT.
stage_start_wave() {
  local out=$1
  shift
  "${IN_WORLD[@]}" "$STAGE_BIN/breakwater-wave" --server "$STAGE_MTA" "$@" \
    >"$out" &
  # shellcheck disable=SC2034 # for who started it
  stage_wave=$!
}

# The value of a key of a flat line of JSON.
json_value() {
  local line=$1 key=$2
  if [[ $line =~ \"$key\":(-?[0-9.]+) ]]; then
    printf '%s\n' "${BASH_REMATCH[1]}"
  elif [[ $line =~ \"$key\":\"(([^\"\\]|\\.)*)\" ]]; then
    printf '%b\n' "${BASH_REMATCH[1]}"
  fi
}

wait_for() {
  local what=$1 tries
  shift
  for ((tries = 0; tries < 100; tries++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  die "$what: not there after 10 s"
}

# By its pid, gently, then not.
stop_process() {
  local pid=$1 tries
  kill -TERM "$pid" 2>/dev/null || return 0
  for ((tries = 0; tries < 50; tries++)); do
    is_running "$pid" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

# A child that ended stays as a zombie until it is waited for. It may go at any
# moment, so its state is read once or not at all.
is_running() {
  local state
  { read -r state <"/proc/$1/stat"; } 2>/dev/null || return 1
  [[ $state != *') Z '* ]]
}
