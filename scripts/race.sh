#!/usr/bin/env bash
# The tests of all packages with anything to race under the race detector, which needs
# cgo on Linux. Those that neither start a goroutine nor lock nor use unsafe memory, be
# it in a test, have nothing that it looks for: plans, formats and command lines.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=
for dir in $(CGO_ENABLED=1 go list -f '{{.Dir}}' ./...); do
	! grep -qE '^\s*go [A-Za-z(]|\.Go\(|"sync(/[a-z]+)?"|"unsafe"' "$dir"/*.go || packages+=" $dir"
done
# Processes end at once instead of a second after their end: tests start and wait for
# many, and have their goroutines end first.
export GORACE="atexit_sleep_ms=50 ${GORACE:-}"
PACKAGES=$packages CGO_ENABLED=1 TEST_TIMEOUT=20m exec scripts/unit.sh -race -vet=off "$@"
