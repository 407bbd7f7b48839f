#!/usr/bin/env bash
# A linphonec, registered by digest at the switch, is called by a baresip: it answers,
# each plays a tone of its own and must record the other one's; the call is on record.
#   usage: linphone_test.sh binary directory
set -euo pipefail
binary=$1 dir=$2
for p in linphonec baresip curl python3; do
  package=${p/baresip/baresip-core}
  command -v $p >/dev/null || { echo "$p is not installed (package ${package/linphonec/linphone-cli})"; exit 77; }
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
  - {id: lina, company: home, account: home-usd, sell_deck: sell, password: linden}
CFG
export TOLLBOOK_ADMIN_TOKEN=interop
"$binary" serve --config "$dir/node.yaml" >"$dir/switch.log" 2>&1 & pids+=($!)
until_true "the switch is ready" curl -sf "http://$web/-/ready"
"$binary" apply -f "$dir/world.yaml" --url "http://$web" --token interop

# linphonec is told what to do on its standard input, and has files for a sound card.
mkdir -p "$dir/lina/.local/share/linphone"
cat >"$dir/lina/rc" <<CFG
[sip]
bind_address=127.0.0.1
sip_port=$((port + 10))
sip_tcp_port=0
sip_tls_port=-2
use_ipv6=0
CFG
python3 - "$dir/lina/tone.wav" <<'PY'
import math, struct, sys, wave
with wave.open(sys.argv[1], "wb") as w:
    w.setnchannels(1); w.setsampwidth(2); w.setframerate(8000)
    w.writeframes(b"".join(struct.pack("<h", int(9000*math.sin(2*math.pi*1000*i/8000))) for i in range(8000*15)))
PY
mkfifo "$dir/lina/told"
HOME=$dir/lina linphonec -a -c "$dir/lina/rc" <"$dir/lina/told" >"$dir/lina.log" 2>&1 & pids+=($!); lina=$!
exec 3>"$dir/lina/told"
cat >&3 <<CFG
soundcard use files
play $dir/lina/tone.wav
record $dir/lina/heard.wav
register sip:lina@$switch:$port sip:$switch:$port linden
CFG
until_true "lina is registered" registered lina
baresip_at anna wonderland 440 $((port + 12))
baresip -f "$dir/anna" -t 9 -e "/dial sip:lina@$switch:$port" >"$dir/anna.log" 2>&1 </dev/null & pids+=($!)
wait $! || true
echo quit >&3; exec 3>&-
wait "$lina" || true
charged() { ask '{ cdrs(first: 9) { nodes { leg sipCode answered state } } }' | tee "$dir/cdrs.json" | grep -o '"answered":true,"state":"FINAL"' | wc -l | grep -qx 2; }
until_true "both legs are on record" charged
hears lina "$dir/lina/heard.wav" 440
hears anna "$(ls "$dir"/anna/snd/*dec*.wav | tail -n 1)" 1000
echo "both hear the other one's tone"
