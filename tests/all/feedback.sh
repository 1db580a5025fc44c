#!/bin/sh
# The feedback server, asked by those who will ask it: Argilla's SDK 2.8 and its 1.29, each unmodified and in a venv of its own, the
# SDK's own tests, and Python's standard library, where a client hides what is on the wire (tests/clients). One line per script;
# skipped, loudly, where a venv cannot be made (no network).
cd "$(dirname "$0")/../.." || exit 2
tools/deps build || { echo "SKIPPED: the program cannot be built"; exit 77; }
make -s program || exit 1
export HF_HUB_OFFLINE=1 TQDM_DISABLE=1
venv() { # $1: its name; then scripts
  for script in $2; do
    if tools/deps "$1"; then echo "build/venv-$1/bin/python -W ignore ./tests/clients/$script.py build/fettle 2>/dev/null"
    else echo "echo 'SKIPPED: build/venv-$1 could not be made'; exit 77"
    fi
  done
}
for script in wire traps sections roles framing process; do echo "python3 ./tests/clients/$script.py build/fettle"; done >build/feedback.list
{ venv argilla2 "argilla2 argilla2_records"; venv argilla1 argilla1; venv argilla-tests sdk; } >>build/feedback.list
set --
while IFS= read -r line; do set -- "$@" "$line"; done <build/feedback.list
exec tools/run-tests "$@"
