#!/usr/bin/env bash
# Everything builds, vets and links on the other platforms, and without CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
for platform in linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
	echo "== $platform"
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	# The tests of one processor per system are enough: what differs between two is in
	# files that are compiled in any case.
	case $platform in
	linux/arm64 | darwin/arm64 | windows/amd64) go vet ./... ;;
	*) go build ./... ;;
	esac
	go build -o /dev/null ./bench
done
unset GOOS GOARCH
echo "== without CUDA"
go vet -tags nocuda ./...
