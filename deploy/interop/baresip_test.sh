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
until_true() { # what, command…
  local what=$1; shift
  for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  echo "waited in vain: $what"; tail -n 20 "$dir"/*.log; exit 1
}
ask() { curl -sf -H 'Authorization: Bearer interop' -H 'Content-Type: application/json' -d "{\"query\":\"$1\"}" "http://$web/graphql"; }
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

phone() { # name, password, tone, port
  local at=$dir/$1; mkdir -p "$at/snd"
  cat >"$at/config" <<CFG
poll_method epoll
sip_listen 127.0.0.1:$4
net_interface 127.0.0.1
rtp_ports $(($4 + 2000))-$(($4 + 2019))
audio_source ausine,$3
audio_player aubridge,nobody
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 2
snd_path $at/snd
module_path $(dirname "$(find /usr/lib /usr/local/lib -path '*baresip/modules/g711.so' 2>/dev/null | head -n 1)")
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
CFG
  echo "<sip:$1@$switch:$port>;auth_pass=$2;answermode=auto;regint=60;audio_codecs=PCMA/8000/1" >"$at/accounts"
  : >"$at/contacts"
}
phone anna wonderland 440 $((port + 10))
phone bert brandy 1000 $((port + 12))
baresip -f "$dir/bert" -t 40 >"$dir/bert.log" 2>&1 </dev/null & pids+=($!)
registered() { ask "{ subscriber(id: \\\"subscriber:$1\\\") { contacts { source } } }" | grep -q source\":\"127; }
until_true "bert is registered" registered bert
talk() { # who is called, how many legs are on record then
legs=$2; rm -f "$dir"/*/snd/*
baresip -f "$dir/anna" -t 9 -e "/dial sip:$1@$switch:$port" >"$dir/anna.log" 2>&1 </dev/null & pids+=($!); anna=$!
until_true "anna is registered" registered anna
wait "$anna" || true
charged() { ask '{ cdrs(first: 9) { nodes { leg sipCode answered state } } }' | tee "$dir/cdrs.json" | grep -o '"answered":true,"state":"FINAL"' | wc -l | grep -qx "$legs"; }
until_true "$legs legs are on record" charged

python3 - "$dir" <<'PY'
import glob, math, sys, wave
def loudest(name):
    w = wave.open(name); rate, n = w.getframerate(), w.getnframes(); ch = w.getnchannels()
    data = w.readframes(n); s = [int.from_bytes(data[i:i+2], "little", signed=True) for i in range(0, len(data) - 1, 2*ch)]
    s = s[rate:3*rate]  # two seconds, after the first one
    assert len(s) > rate, f"{name} is too short"
    def power(f):
        return math.hypot(sum(x*math.cos(2*math.pi*f*i/rate) for i, x in enumerate(s)), sum(x*math.sin(2*math.pi*f*i/rate) for i, x in enumerate(s)))
    return max((440, 700, 1000, 1700), key=power), max(map(abs, s))
failed = False
for who, want in (("anna", 1000), ("bert", 440)):
    files = sorted(glob.glob(f"{sys.argv[1]}/{who}/snd/*dec*.wav"))
    assert files, f"{who} has recorded nothing"
    tone, peak = loudest(files[-1])
    print(who, "hears", tone, "Hz, peak", peak)
    failed = failed or tone != want or peak < 1000
sys.exit(failed)
PY
}
talk bert 2
talk cora 6
echo "both hear the other one's tone"
