#!/usr/bin/env bash
# Fuzzes what reads media and signalling off the wire, one target after the other.
# A crash is kept as a seed under testdata/fuzz and fails the tests from then on.
#   usage: deploy/ci/fuzz.sh time [target…]
set -uo pipefail
time=${1:?how long each target takes, as 1m}; shift
failed=0
while read -r package target; do
  [ $# -gt 0 ] && [[ " $* " != *" $target "* ]] && continue
  echo "== $package $target for $time"
  go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel=1 | grep -v '^fuzz: elapsed:.*[1-9]s,' || failed=1
done <<'TARGETS'
./media/relay FuzzDatagrams
./media/relay FuzzPackets
./media/srtp FuzzReceiver
./media/srtp FuzzSender
./media/sdp FuzzParse
./media/sdp FuzzCrypto
./sip/gate FuzzLook
./sip/gate FuzzFrames
./sip/zone FuzzAnswer
TARGETS
exit $failed
