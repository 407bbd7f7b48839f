#!/usr/bin/env bash
# Unpacks the newest package into a directory of its own and starts the program from there.
set -euo pipefail
cd "$(dirname "$0")/../.."
deb=$(ls -t build/deb/*.deb | head -1)
root=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$root"' EXIT
dpkg-deb -x "$deb" "$root"
dpkg-deb -e "$deb" "$root/DEBIAN"
grep -qx /etc/tollbook/node.yaml "$root/DEBIAN/conffiles"
[ -d "$root/var/lib/tollbook" ] && [ -f "$root/usr/lib/systemd/system/tollbook.service" ]
sh -n "$root/DEBIAN/postinst" && sh -n "$root/DEBIAN/prerm"
sed -e "s#/var/lib#$root/var/lib#" -e 's#127.0.0.1:8080#127.88.0.1:18088#' -e 's#127.0.0.1:5060#127.88.0.1:15088#' \
	"$root/etc/tollbook/node.yaml" > "$root/node.yaml"
"$root/usr/bin/tollbook" serve --config "$root/node.yaml" 2> "$root/log" &
pid=$!
for _ in $(seq 300); do
	kill -0 "$pid" 2>/dev/null || { cat "$root/log"; exit 1; }
	if curl -sf -o "$root/ready" http://127.88.0.1:18088/-/ready; then
		kill -TERM "$pid"
		wait "$pid"
		pid=
		echo "installed, ready, stopped: $deb"
		exit 0
	fi
	sleep 0.1
done
cat "$root/log"
exit 1
