#!/usr/bin/env bash
# contrib/demo.sh says at its start, and not in the middle of the wave, that a
# program is missing where BREAKWATER_BIN looks for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

for program in breakwaterd breakwater-enforcer breakwater; do
  printf '#!/bin/sh\n' >"$bin/$program"
  chmod +x "$bin/$program"
done

status=0
said=$(BREAKWATER_BIN=$bin timeout 20 contrib/demo.sh 2>&1) || status=$?
if ((status != 1)) || [[ $said != "$bin has no breakwater-wave: "* ]]; then
  printf 'it ended with %d and said: %s\n' "$status" "$said" >&2
  exit 1
fi
