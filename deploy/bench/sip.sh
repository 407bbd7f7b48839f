#!/usr/bin/env bash
# Measures billed calls: INVITE, 180, 20 ms, 200, ACK, 0.1 to 1 s, BYE, without
# media, at a steady rate. Prints one line of JSON.
#
#   deploy/bench/sip.sh ./tollbook            RATE=100 calls a second for SECONDS_OF_LOAD=45
#   RATE=400 deploy/bench/sip.sh ./tollbook
#
# UDP transactions live for 32 s: shorter runs flatter. sipp runs on the same
# machine; cpu_ms_per_call is the switch's own, user and system.
set -euo pipefail
binary=$(realpath "${1:?the tollbook binary is missing}")
rate=${RATE:-100} seconds=${SECONDS_OF_LOAD:-45}
here=$(dirname "$(realpath "$0")")
command -v sipp >/dev/null || { echo "NOT INSTALLED: sipp (package sip-tester)" >&2; exit 1; }
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

export TOLLBOOK_ADMIN_TOKEN=bench-$RANDOM$RANDOM
"$binary" demo --no-traffic --data "$work/data" --http 127.0.0.1:18642 --sip 127.0.0.1:15060 >"$work/out" 2>"$work/err" &
node=$!
pids+=("$node")
for _ in $(seq 100); do
  grep -q ^Calls: "$work/err" && break # the last line of its start
  kill -0 "$node" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
  sleep 0.1
done
"$binary" apply -f "$here/world.yaml" --url http://127.0.0.1:18642 >/dev/null

cd "$work"
sipp -sf "$here/vendor.xml" -i 127.0.0.42 -mi 127.0.0.42 -p 15060 -nostdin >/dev/null 2>&1 &
pids+=("$!")
sleep 0.5
ticks() { awk '{print $14 + $15}' "/proc/$node/stat"; } # the name has no spaces
before=$(ticks)
sipp 127.0.0.1:15060 -sf "$here/caller.xml" -i 127.0.0.41 -mi 127.0.0.41 -p 15060 -s 442071234567 -nostdin \
  -r "$rate" -m $((rate * seconds)) -l 20000 -trace_stat -stf stat.csv -fd 5 -trace_rtt -rtt_freq 1 -timeout $((seconds + 40)) >/dev/null 2>&1 || true
sleep 1
after=$(ticks)
rss=$(awk '/^VmRSS/ {print int($2 / 1024)}' "/proc/$node/status")

column() { # the last value of a column of sipp's statistics
  awk -F';' -v name="$1" 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == name) c = i} END {print $c}' stat.csv
}
calls=$(column 'SuccessfulCall(C)') failed=$(column 'FailedCall(C)') again=$(column 'Retransmissions(C)')
awk -F';' 'NR > 1 {print $2}' ./*rtt.csv | sort -n >pdd
count=$(wc -l <pdd)
percentile() { sed -n "$(((count * $1 + 99) / 100))p" pdd; }
cpu=$(awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n=$((calls + failed)) 'BEGIN {printf "%.3f", n ? t * 1000 / hz / n : 0}')
printf '{"rate":%d,"seconds":%d,"calls":%d,"failed":%d,"retransmissions":%d,"cpu_ms_per_call":%s,"pdd_p50_ms":%s,"pdd_p99_ms":%s,"rss_mb":%d}\n' \
  "$rate" "$seconds" "$calls" "$failed" "$again" "$cpu" "$(percentile 50)" "$(percentile 99)" "$rss"
