#!/bin/sh
# The web app in Chromium: each web/tests/NAME.mjs against a server of its own, and web/dist against what web/src gives. Skipped,
# loudly, where Node or Chromium cannot be had (no network).
cd "$(dirname "$0")/../.." || exit 2
tools/deps build || { echo "SKIPPED: the program cannot be built"; exit 77; }
make -s program || exit 1
tools/deps node browser || { echo "SKIPPED: Node or Chromium could not be installed"; exit 77; }
set -- "tools/check web"
for test in web/tests/*.mjs; do
  case $test in */lib.mjs | */sets.mjs | */shots.mjs | */png.mjs) continue;; esac # no tests
  case $test in */survey.mjs | */persons.mjs) continue;; esac # of tools/test-long
  set -- "$@" "build/venv-node/bin/node ./$test build/fettle"
done
# Every eighth payload of xss.mjs; make test-long takes all of them.
export FETTLE_XSS=${FETTLE_XSS:-8}
exec tools/run-tests -t 1800 "$@"
