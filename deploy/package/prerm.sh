#!/bin/sh
# A removal stops the node, an upgrade lets it run.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl stop tollbook.service tollbook-witness.service
fi
