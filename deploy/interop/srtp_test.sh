#!/usr/bin/env bash
# Baresips that encrypt their media and one that does not call each other: anna must
# encrypt, over TLS; dora may, over UDP; bert does not. Each plays a tone of its own and
# must record the other one's.
#   usage: srtp_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
for p in baresip curl python3 openssl; do
  command -v $p >/dev/null || { echo "$p is not installed (package ${p/baresip/baresip-core})"; exit 77; }
done
switch=127.$((RANDOM % 200 + 20)).0.1; port=$((RANDOM % 2000 + 6000)); web=$switch:$((port + 1)); tls=$((port + 2))
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait' EXIT
. ./lib.sh
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=switch -addext "subjectAltName=IP:$switch" \
  -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
cat >"$dir/node.yaml" <<CFG
node: n1
data: $dir/data
http: $web
sip:
  - {name: core, address: $switch, udp: $port, tcp: $port, tls: $tls, certificate: $dir/cert.pem, key: $dir/key.pem}
CFG
cat >"$dir/world.yaml" <<CFG
companies:
  - {id: home, accounts: [{id: home-usd, currency: USD, kind: customer}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.02,1/1/0\n"}
subscribers:
  - {id: anna, company: home, account: home-usd, sell_deck: sell, password: wonderland, srtp: require}
  - {id: bert, company: home, account: home-usd, sell_deck: sell, password: brandy}
  - {id: dora, company: home, account: home-usd, sell_deck: sell, password: pandora, srtp: offer, srtp_on_plain: true}
CFG
export TOLLBOOK_ADMIN_TOKEN=interop
"$binary" serve --config "$dir/node.yaml" >"$dir/switch.log" 2>&1 & pids+=($!)
until_true "the switch is ready" curl -sf "http://$web/-/ready"
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token interop

# phone makes a baresip: name, password, tone, port, how it encrypts, over what.
phone() {
  baresip_at "$1" "$2" "$3" "$4"
  sed -i "s/^module g711.so/module g711.so\nmodule srtp.so/; s/^sip_listen.*/&\nsip_trans_bsize 256/" "$dir/$1/config"
  [ -z "$5" ] || sed -i "s/\$/;mediaenc=$5/" "$dir/$1/accounts"
  [ "$6" = udp ] || sed -i "s/@$switch:$port>/@$switch:$tls;transport=tls>/" "$dir/$1/accounts"
}
phone anna wonderland 440 $((port + 10)) srtp-mand tls
phone bert brandy 1000 $((port + 14)) "" udp
phone dora pandora 1700 $((port + 18)) srtp udp

# talk is one call: who calls, with which URI, whom, and the two tones.
calls=0
talk() {
  calls=$((calls + 2)); rm -f "$dir"/*/snd/*
  baresip -f "$dir/$3" -t 25 >"$dir/$3.log" 2>&1 </dev/null & pids+=($!); local callee=$!
  until_true "$3 is registered" registered "$3"
  baresip -f "$dir/$1" -t 9 -e "/dial sip:$3@$2" >"$dir/$1.log" 2>&1 </dev/null & pids+=($!)
  wait $! || true
  charged() { ask '{ cdrs(first: 9) { nodes { leg sipCode answered state } } }' | tee "$dir/cdrs.json" | grep -o '"answered":true,"state":"FINAL"' | wc -l | grep -qx "$calls"; }
  until_true "$calls legs are on record" charged
  kill "$callee"; wait "$callee" || true
  hears "$1" "$(ls "$dir/$1"/snd/*dec*.wav | tail -n 1)" "$5"
  hears "$3" "$(ls "$dir/$3"/snd/*dec*.wav | tail -n 1)" "$4"
}
enabled() { for who in "$@"; do grep -q 'SRTP is Enabled' "$dir/$who.log" || { echo "$who did not encrypt"; exit 1; }; done; }
talk anna "$switch:$tls;transport=tls" bert 440 1000; enabled anna
talk bert "$switch:$port" anna 1000 440; enabled anna
talk anna "$switch:$tls;transport=tls" dora 440 1700; enabled anna dora
talk dora "$switch:$port" bert 1700 1000; enabled dora
ask '{ cdrs(first: 9) { nodes { leg media { srtp codec mos } } } }' >"$dir/media.json"
[ "$(grep -o '"srtp":"AES_CM_128_HMAC_SHA1_80","codec":"PCMA"' "$dir/media.json" | wc -l)" = 5 ] || { echo "not on record:"; cat "$dir/media.json"; exit 1; }
! grep -r 'inline:' "$dir/switch.log" || { echo "a key is in the log"; exit 1; }
echo "encrypted and plain phones hear each other"
