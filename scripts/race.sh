#!/usr/bin/env bash
# All tests under the race detector, which needs cgo on Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
CGO_ENABLED=1 go test -race -timeout 20m ./...
