#!/usr/bin/env bash
# Formatting, vet, staticcheck and tidy modules. Prints nothing but mistakes and
# the names of the steps.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== gofmt"
unformatted=$(git ls-files -co --exclude-standard -- '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
	echo "run gofmt -w on:" && echo "$unformatted"
	exit 1
fi

echo "== go vet"
go vet ./...
go vet -tags libnccl ./libnccl/check/...
go vet -tags python ./python/tests
CGO_ENABLED=1 go vet ./libnccl

echo "== staticcheck"
go tool -modfile=tools/go.mod staticcheck ./...
CGO_ENABLED=1 go tool -modfile=tools/go.mod staticcheck ./libnccl

echo "== go mod tidy"
for mod in $(git ls-files -co --exclude-standard -- 'go.mod' '*/go.mod'); do
	(cd "$(dirname "$mod")" && go mod tidy -diff) || { echo "run go mod tidy in $(dirname "$mod")"; exit 1; }
done
