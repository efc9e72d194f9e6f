# shellcheck shell=bash
# What contrib/demo.sh and contrib/test.sh share: the packages that they need,
# and root directories in which mail servers of the distribution live, so that
# the host's own mail system is never touched. To be sourced, by bash, as root.
#
#   install_build_packages      what building and running needs
#   install_test_packages       what the tests need on top
#   install_promtool            promtool alone, without a Prometheus service
#   install_tcpserver6          tcpserver of ucspi-tcp-ipv6, as tcpserver6
#   make_root NAME PACKAGE...   a Debian in $BREAKWATER_CACHE/roots/NAME
#   make_mta_root MTA           one with postfix (and rbldnsd, dnsdist, unbound),
#                               sendmail, courier or exim: roots/mta-MTA; rspamd
#                               and mimedefang have these, firewall firewalls,
#                               systemd a host that can be booted
#   make_mta_roots              all of them
#   root_path NAME              where it is
#
# Everything may be called again and again: what is there is left alone.

BREAKWATER_CACHE=${BREAKWATER_CACHE:-/var/cache/breakwater}
# The harness of the integration tests looks there too.
export BREAKWATER_CACHE

BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config ccache make
  libmilter-dev libc-ares-dev libasio-dev libabsl-dev libipset-dev libmnl-dev
  libnftnl-dev libidn2-dev libcap-dev libsqlite3-dev libtomlplusplus-dev
  nlohmann-json3-dev libcli11-dev prometheus-cpp-dev
)
RUN_PACKAGES=(iproute2 ipset iptables nftables debootstrap openssl procps)
TEST_PACKAGES=(
  libgtest-dev libgmock-dev libbenchmark-dev clang-19 libclang-rt-19-dev
  clang-format mandoc codespell miltertest python3 systemd-container ucspi-tcp
)
# They exclude one another as packages: to each MTA a root of its own.
declare -A MTA_PACKAGES=(
  [postfix]="postfix rbldnsd dnsdist unbound"
  [sendmail]="sendmail-bin sendmail-cf m4"
  [courier]="courier-mta"
  [exim]="exim4-daemon-light"
  # No MTAs: filters that tell Breakwater what they find, behind that Postfix.
  [rspamd]="rspamd"
  [mimedefang]="mimedefang libnet-dns-perl"
  # A whole host, which is booted: what the programs stand on, as its packages
  # would bring it, and what is around them.
  [systemd]="systemd systemd-sysv dbus postfix rbldnsd iproute2 iptables-persistent nftables ipset procps python3 libabsl20220623 libc-ares2 libcap2 libipset13 libmilter1.0.1 libnftnl11 libprometheus-cpp-core1.0 libsqlite3-0 libtomlplusplus3"
  # Nor these: the firewalls that Breakwater prints rules for.
  [firewall]="iptables ipset nftables ufw shorewall shorewall6 firewalld xtables-addons-common"
)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  return 1
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# apt is asked only for what is missing: without it, no network is needed.
install_packages() {
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || { die "installing ${missing[*]} needs root"; return 1; }
  say "installing ${#missing[@]} packages: ${missing[*]}"
  update_package_lists || return
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    -o DPkg::Lock::Timeout=300 --no-install-recommends \
    "${missing[@]}" >/dev/null ||
    die "apt-get could not install ${missing[*]}"
}

# Once per run: the lists of a fresh machine are absent or old.
update_package_lists() {
  [[ ${package_lists_updated:-} ]] && return 0
  apt-get update -qq >/dev/null || die "apt-get update failed"
  package_lists_updated=yes
}

install_build_packages() {
  install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
}

install_test_packages() {
  install_build_packages && install_packages "${TEST_PACKAGES[@]}"
}

# install_tool NAME PACKAGE PATH: one program out of a package that is better not
# installed, kept under that name. Prints where it is.
install_tool() {
  local tool=$BREAKWATER_CACHE/tools/$1 package=$2 path=$3 work
  if [[ ! -x $tool ]]; then
    update_package_lists || return
    mkdir -p "${tool%/*}"
    work=$(mktemp -d "${tool%/*}/fetch.XXXXXX") || return
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root \
      "$package" >/dev/null &&
      dpkg-deb --fsys-tarfile "${package}"_*.deb | tar -x "./$path" &&
      mv "$path" "$tool")
    rm -rf "$work"
    [[ -x $tool ]] || { die "$1 of $package could not be had"; return 1; }
  fi
  printf '%s\n' "$tool"
}

# The package would start a metrics server on the host; the tests want nothing
# but its checker.
install_promtool() { install_tool promtool prometheus usr/bin/promtool; }

# A tcpserver that knows IPv6; as packages the two exclude one another.
install_tcpserver6() {
  install_tool tcpserver6 ucspi-tcp-ipv6 usr/bin/tcpserver
}

root_path() { printf '%s\n' "$BREAKWATER_CACHE/roots/$1"; }

# The host's own Debian sources, one "URI SUITE" per line. apt itself is asked,
# so that both formats of the source files and all options in them are read as
# apt reads them.
debian_sources() {
  local origin uri suite component
  # shellcheck disable=SC2016 # these are apt's own variables
  apt-get indextargets \
    --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
    'Created-By: Packages' |
    while IFS='|' read -r origin uri suite component; do
      [[ $origin == Debian && $component == main ]] || continue
      # Cloud images name a file with the mirrors in it.
      if [[ $uri == mirror+file:* ]]; then
        uri=$(grep -m1 -oE 'https?://[^[:space:]]+' "${uri#mirror+file:}")
      fi
      printf '%s %s\n' "${uri%/}" "$suite"
    done | sort -u
}

# make_root NAME PACKAGE...: the stamp holds what the root was asked to be and
# is written last. A root without it, or with another one, is made anew.
make_root() {
  local name=$1 root stamp
  shift
  root=$(root_path "$name")
  stamp="format 2: $*"
  root_is_ready "$root" "$stamp" && return 0
  ((EUID == 0)) || { die "making the root $name needs root"; return 1; }
  install_packages debootstrap util-linux || return
  mkdir -p "${root%/*}"
  (
    # Tests that run in the root hold the lock shared.
    flock 9
    root_is_ready "$root" "$stamp" && exit 0
    say "making a root directory with ${*:-Debian} (once; kept in $root)"
    rm -rf --one-file-system "$root"
    build_root "$root" "$@" >"$root.log" 2>&1 || {
      tail -n 20 "$root.log" >&2
      die "making $root failed; the whole log is $root.log"
      exit 1
    }
    printf '%s\n' "$stamp" >"$root/.breakwater"
  ) 9>"$root.lock"
}

root_is_ready() { [[ $(cat "$1/.breakwater" 2>/dev/null) == "$2" ]]; }

# Copied from one that holds nothing but Debian, which is fetched once.
build_root() {
  local root=$1
  shift
  if ((!$#)); then
    build_plain_root "$root"
    return
  fi
  make_root debian || return
  use_proxy_of_apt
  cp -a --reflink=auto "$(root_path debian)" "$root" || return
  rm "$root/.breakwater"
  in_root "$root" debconf-set-selections <<<"$(preseed)" || return
  in_root "$root" apt-get install -y -qq --no-install-recommends "$@" || return
  in_root "$root" apt-get clean
}

build_plain_root() {
  local root=$1 sources codename mirror
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  sources=$(debian_sources)
  if ! grep -q " $codename\$" <<<"$sources"; then
    update_package_lists || return
    sources=$(debian_sources)
  fi
  mirror=$(awk -v suite="$codename" '$2 == suite {print $1; exit}' <<<"$sources")
  [[ $mirror ]] || { die "apt has no source for Debian $codename"; return 1; }

  use_proxy_of_apt
  contained debootstrap --variant=minbase "$codename" "$root" "$mirror" ||
    return
  copy_apt_settings "$root" "$sources" || return

  # No service is started by a package: what runs in the root is for the
  # tests to say.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  in_root "$root" apt-get update -qq
}

preseed() {
  printf 'postfix postfix/%s\n' \
    'main_mailer_type select Local only' 'mailname string mail.test'
  printf 'courier-base courier-base/webadmin-configmode boolean false\n'
}

# debootstrap fetches with wget, which does not know of apt's proxy.
use_proxy_of_apt() {
  local proxy
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [[ ${proxy:-} && $proxy != DIRECT && ! ${http_proxy:-} ]]; then
    export http_proxy=$proxy
  fi
}

# The root fetches as the host does: same sources, same keys, same proxy, same
# certificates. Hooks of the host (apt.conf.d) are left out, since the programs
# that they call are not in there.
copy_apt_settings() {
  local root=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [[ -e $keyring ]]; then
    cp "$keyring" "$root$keyring"
  fi
  cp -a /etc/apt/trusted.gpg.d/. "$root/etc/apt/trusted.gpg.d/"
  sed 's/^/deb /; s/$/ main/' <<<"$2" >"$root/etc/apt/sources.list"
  { apt-config dump | grep '^Acquire::' || true; } \
    >"$root/etc/apt/apt.conf.d/90host"
  if [[ -d /etc/apt/auth.conf.d ]]; then
    mkdir -p "$root/etc/apt/auth.conf.d"
    cp -a /etc/apt/auth.conf.d/. "$root/etc/apt/auth.conf.d/"
  fi
  if [[ -e /etc/ssl/certs/ca-certificates.crt ]]; then
    mkdir -p "$root/etc/ssl/certs"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  fi
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

# In a process and mount namespace of its own: what a package may start dies
# with the command, and what is mounted (/proc, /sys) is gone without an umount,
# also on Ctrl-C. Else the next run would delete through it.
contained() { unshare --fork --pid --kill-child --mount "$@"; }

in_root() {
  local root=$1
  shift
  contained --mount-proc="$root/proc" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C \
    DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

make_mta_root() {
  local packages
  read -ra packages <<<"${MTA_PACKAGES[$1]}"
  make_root "mta-$1" "${packages[@]}"
}

make_mta_roots() {
  local mta
  for mta in "${!MTA_PACKAGES[@]}"; do make_mta_root "$mta" || return; done
}
