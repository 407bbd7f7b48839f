#!/usr/bin/env bash
# Checks of the API with npm's tools: run.sh breaking, or run.sh examples (with the
# environment of examples.mjs). Without npm, or a registry, it says so and ends with 77.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
if [ ! -d "$here/node_modules/graphql-ws" ] && ! (cd "$here" && timeout 120 npm ci --no-audit --no-fund >/dev/null 2>&1); then
  echo "SKIPPED: npm cannot install deploy/api/package-lock.json here, so the API was not checked with npm's tools" >&2
  exit 77
fi
case "${1:-}" in
breaking) exec node "$here/breaking.mjs" "${PUBLISHED:-$root/schema/published.graphql}" "${SCHEMA:-$root/schema/graphql}" ;;
examples) exec node "$here/examples.mjs" "$root/schema/published.graphql" "$root/docs/api.md" ;;
*) echo "run.sh breaking | examples" >&2 && exit 2 ;;
esac
