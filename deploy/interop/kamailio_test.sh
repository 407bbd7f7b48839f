#!/usr/bin/env bash
# Kamailio in front of the switch, taking TCP and passing on UDP, so that it records
# two routes; and Kamailio as a registrar at which the switch registers, with calls to
# the registered contact.
#   usage: kamailio_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
scenarios=$(realpath ../../cmd/tollbook/testdata/sipp)
export PATH=$PATH:/usr/sbin
for p in kamailio sipp curl; do
  command -v $p >/dev/null || { echo "$p is not installed (package ${p/sipp/sip-tester})"; exit 77; }
done
net=127.0.$((RANDOM % 200 + 20)); port=$((RANDOM % 2000 + 6000))
switch=$net.1 front=$net.2 vendor=$net.3 caller=$net.4 web=$net.1:$((port + 1))
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait' EXIT
until_true() { # what, command…
  local what=$1; shift
  for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  echo "waited in vain: $what"; tail -n 20 "$dir"/*.log; exit 1
}

cat >"$dir/kamailio.cfg" <<CFG
fork=no
children=2
tcp_children=2
log_stderror=yes
debug=1
listen=udp:$front:$port
listen=tcp:$front:$port
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("rr", "enable_double_rr", 1)
request_route {
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("home.test", "secret", "0")) { www_challenge("home.test", "1"); exit; }
    save("location");
    exit;
  }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("404", "Not here"); exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  record_route();
  if (\$rU == "ours") {
    if (!lookup("location")) { sl_send_reply("404", "Not registered"); exit; }
    t_relay(); exit;
  }
  \$du = "sip:$switch:$port";
  t_relay();
}
CFG
cat >"$dir/node.yaml" <<CFG
node: n1
data: $dir/data
http: $web
sip: $switch:$port
CFG
cat >"$dir/world.yaml" <<CFG
companies:
  - {id: acme, accounts: [{id: acme-usd, currency: USD, kind: customer, credit_limit: "100"}]}
  - {id: carrier, accounts: [{id: carrier-usd, currency: USD, kind: vendor}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.02,1/1/0\n"}
  - {id: buy, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.01,1/1/0\n"}
terminators:
  - {id: carrier, company: carrier, account: carrier-usd, buy_deck: buy, host: $vendor, port: $port}
route_plans:
  - {id: plan, routes: [{prefix: "44", terminator: carrier}]}
originators:
  - {id: acme, company: acme, account: acme-usd, sell_deck: sell, route_plan: plan, networks: [$front/32], tech_prefix: "9"}
  - {id: home, company: acme, account: acme-usd, sell_deck: sell, route_plan: plan, networks: [192.0.2.1/32]}
registrations:
  - {id: elsewhere, originator: home, registrar: home.test, proxy: "$front:$port", user: ours, password: secret, expiry: 60s}
CFG
export TOLLBOOK_ADMIN_TOKEN=an-admin-for-the-tests
kamailio -f "$dir/kamailio.cfg" -DD -E -m 64 -M 8 >"$dir/kamailio.log" 2>&1 & pids+=($!)
"$binary" serve --config "$dir/node.yaml" >"$dir/node.log" 2>&1 & pids+=($!)
until_true "the switch is ready" curl -sf "http://$web/-/ready"
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token $TOLLBOOK_ADMIN_TOKEN

ask() { # a query, and what its answer must hold
  curl -sf "http://$web/graphql" -H "Authorization: Bearer $TOLLBOOK_ADMIN_TOKEN" -H 'Content-Type: application/json' \
    -d "{\"query\":\"$1\"}" | tee "$dir/answer" | grep -qE "$2"
}
phone() { # name, scenario, address, further arguments…
  local name=$1 scenario=$2 ip=$3; shift 3
  # Only the caller's Contact has a user. It must name TCP, or its BYE comes by UDP.
  sed -e 's/@RING@/100/; s/@TALK@/800/; s/^\(Contact: <sip:15550100@[^>]*\)>/\1;transport=tcp>/' "$scenario" >"$dir/$name.xml"
  (cd "$dir" && exec sipp "$@" -sf "$name.xml" -i "$ip" -mi "$ip" -p "$port" -nostdin -trace_err -timeout 30s -timeout_error) >"$dir/$name.log" 2>&1
}
place() { # caller's scenario, vendor's scenario, number
  phone vendor "$scenarios/$2.xml" "$vendor" -m 1 & local answering=$!
  pids+=($answering)
  sleep 0.5
  phone caller "$1" "$caller" -t t1 "$front:$port" -s "$3" -d 500 -m 1 || { tail -n 30 "$dir"/*errors.log "$dir/node.log"; exit 1; }
  wait $answering || { tail -n 30 "$dir"/*errors.log "$dir/node.log"; exit 1; }
}

until_true "we are registered at Kamailio" ask '{ registrations(first: 1) { nodes { state { registered reason } } } }' '"registered":true'
echo "registered: $(cat "$dir/answer")"
place "$scenarios/call.xml" answer 9440301234    # the caller hangs up: BYE by two routes
place "$scenarios/hungup.xml" hangup 9440301234  # the vendor does: our BYE takes them, too
sed 's/INVITE sip:\[service\]@/INVITE sip:ours@/' "$scenarios/call.xml" >"$dir/ours.xml"
place "$dir/ours.xml" answer 440301234           # to the contact that we have registered
until_true "six CDRs, three of the calls answered" ask \
  '{ cdrs(first: 9) { nodes { leg answered state originatorId } } }' '(\"answered\":true,\"state\":\"FINAL\".*){6}'
grep -q 'originator:home' "$dir/answer" || { echo "no call is the registration's: $(cat "$dir/answer")"; exit 1; }
echo "calls by two routes and to the registered contact: ok"
