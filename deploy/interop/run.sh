#!/usr/bin/env bash
# Runs every *_test.sh beside it against the program, one after the other. A test
# that misses a program says so and is skipped (exit code 77).
#   usage: deploy/interop/run.sh ./tollbook [name…]
set -uo pipefail
binary=$(realpath "${1:?which program?}"); shift
cd "$(dirname "$0")"
failed=0
for test in ./*_test.sh; do
  name=$(basename "$test" _test.sh)
  [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
  dir=$(mktemp -d "/tmp/tollbook-interop-$name-XXXX")
  if timeout 180 bash "$test" "$binary" "$dir" >"$dir/log" 2>&1; then
    echo "ok       $name"; rm -rf "$dir"
  elif [ $? = 77 ]; then
    echo "SKIPPED  $name: $(tail -n 1 "$dir/log")"; rm -rf "$dir"
  else
    echo "FAILED   $name, see $dir/log"; tail -n 30 "$dir/log"; failed=1
  fi
done
exit $failed
