#!/usr/bin/env bash
# SIPVicious looks for users and tries passwords: it finds none, cracks none, and is
# banned; an operator lifts the ban.
#   usage: sipvicious_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
for p in svwar svcrack curl; do
  command -v $p >/dev/null || { echo "$p is not installed (package ${p/sv*/sipvicious})"; exit 77; }
done
switch=127.$((RANDOM % 200 + 20)).0.1; port=$((RANDOM % 2000 + 6000)); web=$switch:$((port + 1))
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait' EXIT
ask() { curl -sf -H 'Authorization: Bearer interop' -H 'Content-Type: application/json' -d "{\"query\":\"$1\"}" "http://$web/graphql"; }
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
"$binary" serve --config "$dir/node.yaml" >"$dir/switch.log" 2>&1 & pids+=($!)
for _ in $(seq 100); do curl -sf "http://$web/-/ready" >/dev/null && break; sleep 0.1; done
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token interop

for method in REGISTER INVITE; do
  timeout 20 svwar -p "$port" -e100-110 -m $method --force "$switch" >"$dir/svwar-$method.out" 2>&1 || true
  found() { grep -c "^| $1 " "$dir/svwar-$method.out" || true; }
  [ "$(found 105)" = "$(found 104)" ] || fail "svwar tells the user from the others with $method"
done
# The right password is in the list, behind more wrong ones than anybody gets.
{ seq 1000 1040; echo 9999; } >"$dir/passwords"
timeout 30 svcrack -u105 -p "$port" -d "$dir/passwords" "$switch" >"$dir/svcrack.out" 2>&1 || true
grep -q 9999 "$dir/svcrack.out" && fail "svcrack has cracked the password"
ask '{ bans { address reason } }' >"$dir/bans.out"
grep -q 127.0.0.1 "$dir/bans.out" || fail "nobody is banned"
ask 'mutation { banLift(input: {address: \"127.0.0.1\"}) { address } }' | grep -q 127.0.0.1 || fail "the ban cannot be lifted"
ask '{ bans { address } }' | grep -q '"bans":\[\]' || fail "the ban is still there"
echo "no user found, no password cracked, banned, lifted"
