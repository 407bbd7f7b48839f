#!/bin/sh
# The user, and its directory. A node is started by hand at first: its file must name
# addresses. An upgrade does not restart it: docs/operations.md says in which order.
set -e
if ! getent passwd tollbook >/dev/null; then
	adduser --system --group --no-create-home --home /var/lib/tollbook tollbook
fi
chown tollbook:tollbook /var/lib/tollbook
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
