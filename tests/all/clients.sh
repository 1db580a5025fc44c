#!/bin/sh
# transformers, peft and gguf against the program, on small random models they make themselves (tests/all/clients.py).
# Skipped, loudly, where build/venv cannot be made (no network).
cd "$(dirname "$0")/../.." || exit 2
tools/deps build starter python || { echo "SKIPPED: transformers could not be installed into build/venv"; exit 77; }
make -s program || exit 1
HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false exec build/venv/bin/python -W ignore tests/all/clients.py build/fettle
