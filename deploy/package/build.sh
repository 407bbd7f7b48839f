#!/usr/bin/env bash
# Builds build/deb/tollbook_VERSION_ARCH.deb. VERSION defaults to what the program says.
set -euo pipefail
cd "$(dirname "$0")/../.."
go=${GO:-go}
mkdir -p build/deb
CGO_ENABLED=0 $go build -trimpath -ldflags '-s -w' -o build/deb/tollbook ./cmd/tollbook
GOARCH=$($go env GOARCH)
VERSION=${VERSION:-$(build/deb/tollbook version | sed -E 's/^tollbook ([^,]+),.*/\1/')}
export GOARCH VERSION
$go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0 package -f deploy/package/nfpm.yaml -p deb -t build/deb/
