#!/usr/bin/env bash
# What `cmake --install` puts where: the programs find their configuration, and
# the units find the programs.
#
#   tests/install_test.sh BUILD-DIRECTORY
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Paths are built in: for another prefix nothing is installed, not even a part.
if said=$(DESTDIR=$work cmake --install "$1" --prefix /opt/other 2>&1); then
  fail "it was installed for a prefix that the units do not name"
fi
[[ $said == *"Configure with -DCMAKE_INSTALL_PREFIX=/opt/other"* ]] ||
  fail "$said"
[[ ! $(find "$work" -type f) ]] || fail "a part was installed all the same"

DESTDIR=$work cmake --install "$1" >"$work/log" || fail "$(cat "$work/log")"

"$work/usr/sbin/breakwaterd" --check-config \
  --config "$work/etc/breakwater/breakwater.toml" ||
  fail "the installed configuration is refused"

for unit in breakwaterd breakwater-enforcer breakwater-sets \
  breakwater-tarpit; do
  file=$work/usr/lib/systemd/system/$unit.service
  [[ -f $file ]] || fail "$unit.service is not where systemd looks"
  # Every path of ours that a unit names is one that was installed.
  while read -r path; do
    [[ -e $work$path ]] || fail "$unit.service names $path, which is not there"
  done < <(grep -oE '/[^ ]*breakwater[^ ]*' "$file" |
    grep -E '^/(usr|etc)/' | sort -u)
done

# The wrapper is where its manual says, and with it.
wrapper=usr/lib/breakwater/breakwater-tcp
manual=$work/usr/share/man/man8/breakwater-tcp.8
grep -q "^\.Nm /$wrapper\$" "$manual" || fail "the manual has no /$wrapper"
status=0
"$work/$wrapper" 2>/dev/null || status=$?
((status == 100)) || fail "/$wrapper without a program exits with $status"

# Nothing that people edit, or that a host loads at boot, changes by an
# installation over an older one.
mkdir -p "$work/etc/breakwater/iptables"
echo '# edited' >>"$work/etc/breakwater/breakwater.toml"
echo '# edited' >"$work/etc/breakwater/iptables/breakwater.sets"
before=$(find "$work/etc" -type f -exec cksum {} + | sort)
DESTDIR=$work cmake --install "$1" >"$work/log"
[[ $(find "$work/etc" -type f -exec cksum {} + | sort) == "$before" ]] ||
  fail "an installation changed /etc: $(find "$work/etc" -type f)"
