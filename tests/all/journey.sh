#!/bin/sh
# Through every joint once, from a dataset made by Argilla's SDK to a person erased: tests/clients/journey.py, with a model that it makes.
# Skipped, loudly, where the SDK or Node cannot be had (no network).
cd "$(dirname "$0")/../.." || exit 2
tools/deps build || { echo "SKIPPED: the program cannot be built"; exit 77; }
make -s program || exit 1
tools/deps argilla2 node || { echo "SKIPPED: Argilla's SDK or Node could not be had"; exit 77; }
export HF_HUB_OFFLINE=1 TQDM_DISABLE=1 NODE="$PWD/build/venv-node/bin/node"
exec build/venv-argilla2/bin/python -W ignore tests/clients/journey.py build/fettle 2>/dev/null
