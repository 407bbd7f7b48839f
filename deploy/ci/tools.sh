#!/usr/bin/env bash
# Installs what the tests drive from outside, by package name, where that is
# possible; what is missing is named, and the tests that need it skip.
set -u
export PATH=$PATH:/usr/sbin
declare -A packages=([sipp]=sip-tester [chromium]=chromium [kamailio]=kamailio [baresip]=baresip-core [svwar]=sipvicious [keepalived]=keepalived [kdig]=knot-dnsutils [clickhouse-server]=clickhouse-server)
missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}") >/dev/null 2>&1 || true
fi
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || echo "NOT INSTALLED: $program (package ${packages[$program]}): the tests that need it are skipped"
done
exit 0
