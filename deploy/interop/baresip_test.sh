#!/usr/bin/env bash
# Two baresips, registered by digest at the switch, call each other, at once and by
# somebody who forwards: each plays a tone of its own, and must record the other one's.
#   usage: baresip_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
for p in baresip curl python3; do
  command -v $p >/dev/null || { echo "$p is not installed (package ${p/baresip/baresip-core})"; exit 77; }
done
switch=127.$((RANDOM % 200 + 20)).0.1; port=$((RANDOM % 2000 + 6000)); web=$switch:$((port + 1))
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait' EXIT
. ./lib.sh
printf 'node: n1\ndata: %s/data\nhttp: %s\nsip: %s:%s\n' "$dir" "$web" "$switch" "$port" >"$dir/node.yaml"
cat >"$dir/world.yaml" <<CFG
companies:
  - {id: home, accounts: [{id: home-usd, currency: USD, kind: customer}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.02,1/1/0\n"}
subscribers:
  - {id: anna, company: home, account: home-usd, sell_deck: sell, password: wonderland}
  - {id: cora, company: home, account: home-usd, sell_deck: sell, password: x, forward: {always: bert}}
  - {id: bert, company: home, account: home-usd, sell_deck: sell, password: brandy}
CFG
export TOLLBOOK_ADMIN_TOKEN=interop
"$binary" serve --config "$dir/node.yaml" >"$dir/switch.log" 2>&1 & pids+=($!)
until_true "the switch is ready" curl -sf "http://$web/-/ready"
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token interop

baresip_at anna wonderland 440 $((port + 10))
baresip_at bert brandy 1000 $((port + 12))
baresip -f "$dir/bert" -t 40 >"$dir/bert.log" 2>&1 </dev/null & pids+=($!)
until_true "bert is registered" registered bert
talk() { # who is called, how many legs are on record then
legs=$2; rm -f "$dir"/*/snd/*
baresip -f "$dir/anna" -t 9 -e "/dial sip:$1@$switch:$port" >"$dir/anna.log" 2>&1 </dev/null & pids+=($!); anna=$!
until_true "anna is registered" registered anna
wait "$anna" || true
charged() { ask '{ cdrs(first: 9) { nodes { leg sipCode answered state } } }' | tee "$dir/cdrs.json" | grep -o '"answered":true,"state":"FINAL"' | wc -l | grep -qx "$legs"; }
until_true "$legs legs are on record" charged

hears anna "$(ls "$dir"/anna/snd/*dec*.wav | tail -n 1)" 1000
hears bert "$(ls "$dir"/bert/snd/*dec*.wav | tail -n 1)" 440
}
talk bert 2
talk cora 6
echo "both hear the other one's tone"
