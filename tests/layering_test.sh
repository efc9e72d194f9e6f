#!/bin/bash
# Holds the includes to the arrows of the README's picture: the four middle
# folders see only core, core sees none of them, nothing but the tests sees
# daemon, and the adapters of contrib see at most core. Also that no folder has
# appeared beside those of the picture.
#
#   layering_test.sh SOURCE_DIRECTORY
set -u
cd "${1:?the source directory}" || exit 2
failures=0

fail() {
  printf '%s\n' "$*" >&2
  failures=$((failures + 1))
}

# check FOLDER ALLOWED...: what the folder's quoted includes may begin with.
check() {
  local folder=$1 line file included
  shift
  while IFS=: read -r file line; do
    included=${line#*\"}
    included=${included%%\"*}
    case " ${included%%/*} " in
      " core " | " milter " | " policy " | " firewall " | " reaper " | \
        " daemon " | " tests " | " etc " | " contrib ") ;;
      *) continue ;;  # a library's
    esac
    [[ " $* " == *" ${included%%/*} "* ]] ||
      fail "$file includes $included: $folder sees only: $*"
  done < <(grep -rHE --include='*.cc' --include='*.h' '^#include "' "$folder")
}

check core core
for folder in milter policy firewall reaper; do check "$folder" core "$folder"; done
check daemon core milter policy firewall reaper daemon
check contrib core contrib
check tests core milter policy firewall reaper daemon contrib tests

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

# The enforcer stays small: no resolver, no front, no HTTP and no TOML of its
# own among the words.
while IFS= read -r line; do
  fail "$line: the words use neither c-ares nor asio"
done < <(grep -nE '#include [<"](ares|asio|prometheus|nlohmann)' \
  $(sed -n '/add_library(breakwater_words/,/)/p' core/CMakeLists.txt |
    grep -oE '[a-z_]+\.cc' | sed 's|^|core/|'))

((failures == 0)) && echo "the includes follow the arrows"
exit $((failures != 0))
