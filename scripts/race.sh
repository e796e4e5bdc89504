#!/usr/bin/env bash
# The tests of all packages with anything to race under the race detector, which needs
# cgo on Linux. The others have nothing that it looks for: neither they, nor a package of
# ours that they or their tests import, be it by way of others, start a goroutine, have
# something called in one, run tests in parallel, lock, or use unsafe memory.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=1
CONCURRENT=$(go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r package dir; do
	! grep -qE '(^|[{;])\s*go [A-Za-z(]|\.(Go|Parallel|RunParallel|AfterFunc|AddCleanup|SetFinalizer|Pull2?)\(|"(sync|unsafe|os/exec|os/signal|net/http)["/]' "$dir"/*.go || echo "$package"
done)
export CONCURRENT
packages=$(go list -test -f '{{if eq .Name "main"}}{{.ImportPath}} {{join .Deps " "}}{{end}}' ./... | awk '
	BEGIN { n = split(ENVIRON["CONCURRENT"], list); for (i = 1; i <= n; i++) concurrent[list[i]] }
	sub(/\.test$/, "", $1) { for (i = 1; i <= NF; i++) if ($i in concurrent) { print $1; next } }')
# Processes end at once instead of a second after their end: tests start and wait for
# many, and have their goroutines end first.
export GORACE="atexit_sleep_ms=50 ${GORACE:-}"
PACKAGES=$packages TEST_TIMEOUT=20m exec scripts/unit.sh -race -vet=off "$@"
