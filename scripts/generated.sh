#!/usr/bin/env bash
# Generated files are what their generators make today.
set -euo pipefail
cd "$(dirname "$0")/.."
state() { git ls-files -z -co --exclude-standard | xargs -0 sha256sum 2>/dev/null; }
before=$(state)
go generate ./...
if ! diff <(echo "$before") <(state); then
	echo "generated files differ from those in the tree: run go generate ./... and commit"
	exit 1
fi
echo "generated files are up to date"
