#!/usr/bin/env bash
# SIPVicious looks for switches, for users and for passwords: svmap learns that something
# answers, a few times a minute, and is summed up; it finds no user, cracks no password,
# and is banned; an operator lifts the ban.
#   usage: sipvicious_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
for p in svmap svwar svcrack curl; do
  command -v $p >/dev/null || { echo "$p is not installed (package ${p/sv*/sipvicious})"; exit 77; }
done
switch=127.$((RANDOM % 200 + 20)).0.1; port=$((RANDOM % 2000 + 6000)); web=$switch:$((port + 1))
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait' EXIT
. ./lib.sh
fail() { echo "$1"; tail -n 30 "$dir"/*.out "$dir"/*.log; exit 1; }
printf 'node: n1\ndata: %s/data\nhttp: %s\nsip: %s:%s\n' "$dir" "$web" "$switch" "$port" >"$dir/node.yaml"
cat >"$dir/world.yaml" <<CFG
companies:
  - {id: home, accounts: [{id: home-usd, currency: USD, kind: customer}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.02,1/1/0\n"}
subscribers:
  - {id: "105", company: home, account: home-usd, sell_deck: sell, password: "9999"}
CFG
export TOLLBOOK_ADMIN_TOKEN=interop HOME=$dir
serve() {
  "$binary" serve --config "$dir/node.yaml" >>"$dir/switch.log" 2>&1 & pids+=($!)
  until_true "the switch is ready" curl -sf "http://$web/-/ready"
}
serve
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token interop

# A source may be refused five times a minute; the other questions get no answer.
asked=40 minute=$(date +%M) most=5
timeout 20 svmap -d -t 0.02 -p "$port" $(yes "$switch" | head -n $asked) >"$dir/svmap.out" 2>&1 || true
[ "$(date +%M)" = "$minute" ] || most=10
answers=$(grep -c "^b'SIP/2.0" "$dir/svmap.out" || true)
[ "$answers" -ge 1 ] && [ "$answers" -le $most ] || fail "svmap gets $answers answers"
[ "$(grep -c "^b'SIP/2.0 403 " "$dir/svmap.out")" = "$answers" ] || fail "svmap gets more than refusals"
grep -qiE 'tollbook|sipgo' "$dir/svmap.out" && fail "svmap learns what we are"
grep -q "^| $switch:$port | unknown " "$dir/svmap.out" || fail "svmap does not see that something answers"
# A stop sums up the minute, as its end does.
kill "${pids[0]}"; wait "${pids[0]}" || true
pids=(); serve
summed_up() {
  ask '{ audit(first: 9, kind: SOURCE_REJECTED) { nodes { address note count } } cdrs(first: 1) { nodes { leg } } }' >"$dir/strangers.out"
  grep -o '"address":"127.0.0.1","note":"unknown source","count":[0-9]*' "$dir/strangers.out" |
    awk -F: -v asked=$asked '{n += $NF} END {exit n != asked}'
}
until_true "all of svmap's questions are summed up" summed_up
grep -q '"cdrs":{"nodes":\[\]}' "$dir/strangers.out" || fail "a question counts as a call"

# svwar stops at the first answer that tells nothing, so the user is asked for first.
for method in REGISTER INVITE; do
  timeout 20 svwar --maximumtime 3 -p "$port" -e105,100-110 -m $method --force "$switch" >"$dir/svwar-$method.out" 2>&1 || true
  found() { grep -c "^| $1 " "$dir/svwar-$method.out" || true; }
  [ "$(found 105)" = "$(found 104)" ] || fail "svwar tells the user from the others with $method"
done
# The right password is in the list, behind more wrong ones than anybody gets.
{ seq 1000 1040; echo 9999; } >"$dir/passwords"
timeout 30 svcrack --maximumtime 3 -u105 -p "$port" -d "$dir/passwords" "$switch" >"$dir/svcrack.out" 2>&1 || true
grep -q 9999 "$dir/svcrack.out" && fail "svcrack has cracked the password"
ask '{ bans { address reason } }' >"$dir/bans.out"
grep -q 127.0.0.1 "$dir/bans.out" || fail "nobody is banned"
ask 'mutation { banLift(input: {address: \"127.0.0.1\"}) { address } }' | grep -q 127.0.0.1 || fail "the ban cannot be lifted"
ask '{ bans { address } }' | grep -q '"bans":\[\]' || fail "the ban is still there"
echo "svmap refused $answers times in $asked, no user found, no password cracked, banned, lifted"
