#!/usr/bin/env bash
# Compiles the media fast path's program to $1. The same clang gives the same
# bytes, so that a test can compare.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../../media/fastpath/bpf/relay.o}")
cd "$(dirname "$0")/../../media/fastpath/bpf"

version=14
clang-$version -O2 -g -Wall -Werror -target bpfel -mcpu=v3 -I"/usr/include/$(gcc -print-multiarch 2>/dev/null || echo x86_64-linux-gnu)" \
  -ffile-prefix-map="$PWD"=. -c relay.c -o "$out"
llvm-strip-$version -g "$out"
