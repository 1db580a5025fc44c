#!/bin/sh
# The official openai client (npm) against `fettle ui` with the starter model: tests/clients/openai.mjs.
# Skipped, loudly, where Node or the starter model cannot be had.
cd "$(dirname "$0")/../.." || exit 2
tools/deps build starter node || { echo "SKIPPED: Node or the starter model could not be fetched"; exit 77; }
make -s program || exit 1
home=$(mktemp -d) || exit 2
FETTLE_HOME=$home build/fettle model add smollm2 build/starter/smollm2.gguf || exit 1
env -u DISPLAY -u WAYLAND_DISPLAY build/fettle ui --home "$home" --port 0 --port-file "$home/port" 2>"$home/log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$home"' EXIT
for _ in $(seq 100); do [ -s "$home/port" ] && break; sleep 0.1; done
[ -s "$home/port" ] || { cat "$home/log"; exit 1; }
PATH="$PWD/build/venv-node/bin:$PATH" node tests/clients/openai.mjs "http://127.0.0.1:$(cat "$home/port")" anything smollm2
