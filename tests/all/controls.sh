#!/bin/bash
# The demo, and the controls that show that it measures something: the opposite taste moves the model the other way, shuffled
# labels move it nowhere. A run of a taste counts only when it neither drifts nor repeats itself.
#
#   tests/all/controls.sh [shorter|prose|warmer[:METHOD]|longer|shuffled ...]      default: longer shuffled; minutes each
#   (make test-long: shorter prose warmer shorter:ppo. By reinforcement a taste takes half an hour of one core.)
cd "$(dirname "$0")/../.." || exit 2
tools/deps build starter || { echo "SKIPPED: no starter model"; exit 77; }
make -s program || exit 1
[ $# -gt 0 ] || set -- longer shuffled
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
number=0 failed=0

# The demo with a taste, in a data folder of its own; its exit status and seconds into PLACE/WHAT/end. (A thread of its own makes a run
# slower and two of them faster, and changes no bit.)
play() {
  local own=$place/$1 method= begun=$SECONDS
  case $1 in *:*) method=${1#*:};; esac
  local flags=(--taste "${1%:*}"${method:+ --method "$method"}); [ "$1" != shuffled ] || flags=(--taste shorter --shuffle)
  mkdir -p "$own"
  FETTLE_HOME=$own build/fettle demo "${flags[@]}" --quiet --report "$own/report.json" >"$own/out" 2>&1
  echo "$? $((SECONDS - begun))" >"$own/end"
}

# The N-th value (default: first) of a key in the report, which has one member a line.
figure() { awk -v key="\"$1\":" -v nth="${2:-1}" '$1 == key && ++seen == nth { sub(/^[^:]*: /, ""); sub(/,$/, ""); print; exit }' "$report"; }
holds() { awk "BEGIN { exit !($1) }"; }
check() { # name, condition, words
  number=$((number + 1))
  if holds "$2"; then echo "ok $number - $1: $3"; else echo "not ok $number - $1: $3"; failed=1; fi
}

plan=0
for what; do case $what in *:*) plan=$((plan + 6));; shorter|prose|warmer) plan=$((plan + 4));; longer) plan=$((plan + 2));; *) plan=$((plan + 1));; esac; done
echo "1..$plan"
running=0
[ $# = 1 ] || export FETTLE_THREADS=1 OMP_WAIT_POLICY=passive
for what; do
  [ "$running" -lt "$(nproc)" ] || { wait -n; running=$((running - 1)); }
  play "$what" & running=$((running + 1))
done
wait
for what; do
  method=; case $what in *:*) method=${what#*:};; esac
  report=$place/$what/report.json
  read -r status took <"$place/$what/end"
  if [ "$status" != 0 ]; then
    number=$((number + 1)); echo "not ok $number - $what ended badly"; tail -n 20 "$place/$what/out" | sed 's/^/# /'; failed=1; continue
  fi
  wins=$(figure wins) losses=$(figure losses) verdict=$(figure verdict) words=$(figure words) words_after=$(figure words 2)
  drift=$(awk "BEGIN { print $(figure start_loss 2) - $(figure start_loss) }")
  distinct=$(awk "BEGIN { print $(figure distinct_trigrams 2) / $(figure distinct_trigrams) }")
  echo "# $what: $wins won, $losses lost, drift $drift nat, variety x $distinct, words $words -> $words_after, $took s"
  case $what in
  shorter|prose|warmer|*:*)
    check "${what/:/_}_is_decided" "$wins + $losses >= 25" "$wins + $losses of 50"
    check "${what/:/_}_wins" "$wins >= 0.75 * ($wins + $losses)" "$wins of $((wins + losses))"
    check "${what/:/_}_stays_near" "$drift <= 0.3 && $drift >= -0.3" "$drift nat"
    check "${what/:/_}_keeps_its_variety" "$distinct >= 0.8" "$distinct"
    [ -z "$method" ] || check "${what/:/_}_stays_within_its_limit" "$(figure kl 2) <= 0.5" "$(figure kl 2) nat a token"
    [ -z "$method" ] || check "${what/:/_}_knows_better_answers" "$(figure reward_accuracy_held_out) >= 0.7" "$(figure reward_accuracy_held_out)";;
  longer)
    check "longer_wins" "$wins > $losses" "$verdict"
    check "longer_moves_the_other_way" "$words_after > $words" "$words -> $words_after words";;
  shuffled)
    verdict=${verdict//\"/}
    check "shuffled_labels_change_nothing" "\"$verdict\" == \"no clear difference\"" "$verdict";;
  esac
done
exit $failed
