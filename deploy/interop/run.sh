#!/usr/bin/env bash
# Runs every *_test.sh beside it against the program, one after the other. A test
# that misses a program says so and is skipped (exit code 77). Other makers' programs
# leave out what they hear when the machine is busy: a test that fails runs once more,
# and says so.
#   usage: deploy/interop/run.sh ./tollbook [name…]
set -uo pipefail
binary=$(realpath "${1:?which program?}"); shift
cd "$(dirname "$0")"
# attempt gives how the test ended, and sets dir to where its files are.
attempt() {
  dir=$(mktemp -d "/tmp/tollbook-interop-$name-XXXX")
  timeout 180 bash "$test" "$binary" "$dir" >"$dir/log" 2>&1
}
failed=0
for test in ./*_test.sh; do
  name=$(basename "$test" _test.sh)
  [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
  attempt; code=$?
  if [ $code != 0 ] && [ $code != 77 ]; then
    echo "AGAIN    $name, see $dir/log"; tail -n 5 "$dir/log"
    attempt; code=$?
  fi
  case $code in
    0) echo "ok       $name"; rm -rf "$dir" ;;
    77) echo "SKIPPED  $name: $(tail -n 1 "$dir/log")"; rm -rf "$dir" ;;
    *) echo "FAILED   $name, see $dir/log"; tail -n 30 "$dir/log"; failed=1 ;;
  esac
done
exit $failed
