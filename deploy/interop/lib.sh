# What the tests with phones share; $dir, $switch and $port are the test's.
# shellcheck shell=bash

# until_true waits for a command: what is waited for, command…
until_true() {
  local what=$1; shift
  for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  echo "waited in vain: $what"; tail -n 20 "$dir"/*.log; exit 1
}

# ask sends a GraphQL query, its quotes escaped for JSON.
ask() {
  curl -sf -H 'Authorization: Bearer interop' -H 'Content-Type: application/json' \
    -d "{\"query\":\"$1\"}" "http://$switch:$((port + 1))/graphql"
}

# registered tells whether a subscriber has a contact.
registered() { ask "{ subscriber(id: \\\"subscriber:$1\\\") { contacts { source } } }" | grep -q 'source":"127'; }

# baresip_at makes the directory of a baresip that answers by itself, plays a tone and
# records what it hears: name, password, tone in Hz, port.
baresip_at() {
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

# hears checks that a recording is of a tone: who, WAV file, tone in Hz.
hears() {
  python3 - "$@" <<'PY'
import math, sys, wave
who, name, want = sys.argv[1:]
w = wave.open(name); rate, ch = w.getframerate(), w.getnchannels()
data = w.readframes(w.getnframes())
s = [int.from_bytes(data[i:i+2], "little", signed=True) for i in range(0, len(data) - 1, 2*ch)]
s = s[rate:3*rate]  # two seconds, after the first one
assert len(s) > rate, f"{name} is too short"
def power(f):
    return math.hypot(sum(x*math.cos(2*math.pi*f*i/rate) for i, x in enumerate(s)), sum(x*math.sin(2*math.pi*f*i/rate) for i, x in enumerate(s)))
tone, peak = max((440, 700, 1000, 1700), key=power), max(map(abs, s))
print(who, "hears", tone, "Hz, peak", peak)
sys.exit(tone != int(want) or peak < 1000)
PY
}
