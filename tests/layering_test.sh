#!/bin/bash
# Holds the includes to the arrows. A room of core, milter, policy, firewall,
# reaper or daemon includes its own headers and those of the rooms that its
# breakwater_room() in CMakeLists.txt SEES, which CMake wants to stand before it.
# The four middle folders see only core, core sees none of them, nothing but the
# tests sees daemon, and the adapters of contrib see at most core. What may change
# the kernel and what an operator starts are to stay small: of core they reach
# the lower rooms only. No source stands outside a room, no room is a hall, and no
# folder has appeared beside those of the picture.
#
#   layering_test.sh SOURCE_DIRECTORY
set -u
cd "${1:?the source directory}" || exit 2
failures=0

fail() {
  printf '%s\n' "$*" >&2
  failures=$((failures + 1))
}

readonly MOST_SOURCES=20
readonly ROOTS="core milter policy firewall reaper daemon"

# What each room sees, by its name: core/zones is core_zones.
declare -A sees
while IFS= read -r lists; do
  while IFS=$'\t' read -r room seen; do
    sees[$room]=$seen
    [[ ${lists%/CMakeLists.txt} == "${room/_//}" ]] ||
      fail "$lists: the room ${room/_//} is the folder's name"
  done < <(awk '
    /breakwater_room\(/ { sub(/.*\(/, ""); name = $1; on = 0; seen = "" }
    name != "" {
      line = $0; gsub(/\)/, "", line)
      n = split(line, words)
      for (i = 1; i <= n; ++i) {
        if (words[i] ~ /^(SOURCES|SEES|USES)$/) on = words[i] == "SEES"
        else if (on) seen = seen " " words[i]
      }
      if ($0 ~ /\)/) { print name "\t" seen " "; name = "" }
    }' "$lists")
done < <(find $ROOTS -name CMakeLists.txt)

# Whether the first room may include from the second by where they stand.
may_see() {
  local from=${1%%_*} to=${2%%_*}
  case $from in
    core) [[ $to == core ]] ;;
    daemon) true ;;
    *) [[ $to == core || $to == "$from" ]] ;;
  esac
}
for room in "${!sees[@]}"; do
  for seen in ${sees[$room]}; do
    may_see "$room" "$seen" || fail "$room must not see $seen"
  done
done

while IFS= read -r folder; do
  room=${folder//\//_}
  sources=$(find "$folder" -maxdepth 1 -name '*.cc' -o -maxdepth 1 -name '*.h' |
    wc -l)
  ((sources)) || continue
  [[ -v sees[$room] ]] || {
    fail "$folder holds sources and is no room: see breakwater_room()"
    continue
  }
  ((sources <= MOST_SOURCES)) ||
    fail "$folder holds $sources sources: more than $MOST_SOURCES are a hall"
done < <(find $ROOTS -type d)

while IFS=: read -r file line; do
  included=${line#*\"}
  included=${included%%\"*}
  [[ " $ROOTS tests etc contrib " == *" ${included%%/*} "* ]] ||
    continue  # a library's
  room=$(dirname "$file")
  room=${room//\//_}
  of=$(dirname "$included")
  of=${of//\//_}
  [[ $of == "$room" || ${sees[$room]-} == *" $of "* ]] ||
    fail "$file includes $included: $room sees only:${sees[$room]-}"
done < <(grep -rHE --include='*.cc' --include='*.h' '^#include "' $ROOTS)

# All rooms that a room reaches.
reached() {
  local todo=("$1") room seen
  local -A known
  while ((${#todo[@]})); do
    room=${todo[0]}
    todo=("${todo[@]:1}")
    [[ -v known[$room] ]] && continue
    known[$room]=1
    for seen in ${sees[$room]-}; do todo+=("$seen"); done
  done
  printf '%s\n' "${!known[@]}"
}
for room in daemon_enforcer daemon_cli; do
  while IFS= read -r far; do
    case $far in
      core_base | core_net | core_types | core_rules | core_judge) ;;
      core_*) fail "$room reaches $far" ;;
    esac
  done < <(reached "$room")
done

# check FOLDER ALLOWED...: what the folder's quoted includes may begin with.
check() {
  local folder=$1 line file included
  shift
  while IFS=: read -r file line; do
    included=${line#*\"}
    included=${included%%\"*}
    [[ " $ROOTS tests etc contrib " == *" ${included%%/*} "* ]] || continue
    [[ " $* " == *" ${included%%/*} "* ]] ||
      fail "$file includes $included: $folder sees only: $*"
  done < <(grep -rHE --include='*.cc' --include='*.h' '^#include "' "$folder")
}
check contrib core contrib
check tests $ROOTS contrib tests

# A quoted include without a folder could be anything.
while IFS= read -r line; do
  fail "$line: name the folder of what is included"
done < <(grep -rnE --include='*.cc' --include='*.h' '^#include "[^/"]*"' \
  core milter policy firewall reaper daemon contrib tests)

# What the tree holds, untracked files aside.
if top=$(git ls-tree --name-only -d HEAD 2>/dev/null); then
  for folder in $top; do
    case $folder in
      core | milter | policy | firewall | reaper | daemon | etc | contrib | \
        tests | .ci | .github) ;;
      *) fail "$folder: a new folder at the top; the picture has none" ;;
    esac
  done
fi

# What is started for each connection starts fast: not even core.
while IFS= read -r line; do
  fail "$line: contrib/adapter and contrib/tcp use no library of ours or others"
done < <(grep -rnE --include='*.cc' --include='*.h' \
  '#include [<"](core|absl|asio|ares|nlohmann)/?' contrib/adapter contrib/tcp)

# No resolver, no front, no HTTP and no TOML among what the enforcer reaches of
# core.
while IFS= read -r line; do
  fail "$line: the lower rooms of core use neither c-ares nor asio"
done < <(grep -rnE '#include [<"](ares|asio|prometheus|nlohmann)' \
  core/base core/net core/types core/rules core/judge)

((failures == 0)) && echo "the includes follow the arrows"
exit $((failures != 0))
