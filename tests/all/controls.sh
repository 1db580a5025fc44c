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
FETTLE_HOME=$(mktemp -d) && export FETTLE_HOME && trap 'rm -rf "$FETTLE_HOME"' EXIT
report=$FETTLE_HOME/report.json number=0 failed=0

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
for what; do
  method=; case $what in *:*) method=${what#*:};; esac
  flags=(--taste "${what%:*}"${method:+ --method "$method"}); [ "$what" != shuffled ] || flags=(--taste shorter --shuffle)
  rm -f "$report"; begun=$SECONDS
  if ! build/fettle demo "${flags[@]}" --quiet --report "$report" >"$FETTLE_HOME/out" 2>&1; then
    number=$((number + 1)); echo "not ok $number - $what ended badly"; tail -n 20 "$FETTLE_HOME/out" | sed 's/^/# /'; failed=1; continue
  fi
  wins=$(figure wins) losses=$(figure losses) verdict=$(figure verdict) words=$(figure words) words_after=$(figure words 2)
  drift=$(awk "BEGIN { print $(figure start_loss 2) - $(figure start_loss) }")
  distinct=$(awk "BEGIN { print $(figure distinct_trigrams 2) / $(figure distinct_trigrams) }")
  echo "# $what: $wins won, $losses lost, drift $drift nat, variety x $distinct, words $words -> $words_after, $((SECONDS - begun)) s"
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
