#!/bin/sh
# Every case of other programs' numbers that lies in FETTLE_SHARED (default ../shared) through tools/verify. Skipped, loudly,
# where there is no such folder; the project's own tests do not need it.
cd "$(dirname "$0")/../.." || exit 2
shared=${FETTLE_SHARED:-../shared}
set --
for d in fixtures/families fixtures/curves fixtures/objectives fixtures/starter data/tokenizers data/chat-templates data/models; do
  [ -d "$shared/$d" ] && set -- "$@" "$shared/$d"
done
[ $# -gt 0 ] || { echo "SKIPPED for want of data: $shared is not there (FETTLE_SHARED names its folder)"; exit 77; }
tools/deps build starter
make -s program || exit 1
tools/verify "$@"
