#!/usr/bin/env bash
# Prints the path of ClickHouse as a library, from npm, in build/chdb; nothing where it
# cannot be had. It is for tests alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
lib=build/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
if [ ! -e "$lib" ] && command -v npm >/dev/null && [ "$(uname -m)" = x86_64 ]; then
  mkdir -p build/chdb
  (cd build/chdb && npm install --no-audit --no-fund --silent @chdb/lib-linux-x64-gnu@26.5.3 >/dev/null 2>&1) || true
fi
if [ -e "$lib" ]; then realpath "$lib"; else echo "NO CHDB: the tests with a ClickHouse of our day are skipped" >&2; fi
