#!/usr/bin/env bash
# Everything builds, vets and links on the other platforms, and without CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
link=(go build '-ldflags=-s -w') # what debuggers read takes most of a link's time
for platform in linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
	echo "== $platform"
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	# The tests of one processor per system are enough: what differs between two is in
	# files that are compiled in any case. Linux's are vetted by lint, but for what
	# is written for this processor.
	case $platform in
	darwin/arm64 | windows/amd64)
		go vet ./...
		"${link[@]}" -o /dev/null ./bench
		;;
	linux/arm64)
		git ls-files -co --exclude-standard -- "*_$GOARCH.*" | xargs -n 1 dirname | sort -u | sed 's|^|./|' | xargs go vet
		"${link[@]}" ./...
		;;
	*) "${link[@]}" ./... ;; # programs, too
	esac
done
unset GOOS GOARCH
echo "== without CUDA"
go vet -tags nocuda ./...
