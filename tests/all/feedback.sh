#!/bin/sh
# The feedback server, asked by those who will ask it: Argilla's SDK 2.8 and its 1.29, each unmodified and in a venv of its own, the
# SDK's own tests, and Python's standard library, where a client hides what is on the wire (tests/clients). One line per script;
# skipped, loudly, where a venv cannot be made (no network).
cd "$(dirname "$0")/../.." || exit 2
tools/deps build || { echo "SKIPPED: the program cannot be built"; exit 77; }
make -s program || exit 1
export HF_HUB_OFFLINE=1 TQDM_DISABLE=1
set -- "python3 ./tests/clients/wire.py build/fettle" "python3 ./tests/clients/roles.py build/fettle" \
  "python3 ./tests/clients/framing.py build/fettle" "python3 ./tests/clients/process.py build/fettle"
for n in 2 1; do
  if tools/deps "argilla$n"; then set -- "$@" "build/venv-argilla$n/bin/python -W ignore ./tests/clients/argilla$n.py build/fettle 2>/dev/null"
  else set -- "$@" "echo 'SKIPPED: the SDK could not be installed into build/venv-argilla$n'; exit 77"
  fi
done
if tools/deps argilla-tests; then set -- "$@" "build/venv-argilla-tests/bin/python ./tests/clients/sdk.py build/fettle"
else set -- "$@" "echo 'SKIPPED: the tests of the SDK could not be fetched into build/argilla-tests'; exit 77"
fi
exec tools/run-tests "$@"
