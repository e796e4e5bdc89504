#!/usr/bin/env bash
# Runs every fuzz target for a short while, FUZZTIME each; those that compare
# the kernels with a reference over random layouts for FUZZTIME_LAYOUTS.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
found=0
while IFS=: read -r file target; do
	found=$((found + 1))
	for_this=$time
	case $target in FuzzViews | FuzzReduce | FuzzMove | FuzzKernels) for_this=${FUZZTIME_LAYOUTS:-60s} ;; esac
	echo "== $target in $(dirname "$file") for $for_this"
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$for_this" "./$(dirname "$file")" 2>&1 | tee "$log"; then
		continue
	fi
	# Go before 1.27 now and then reports the end of the fuzzing time itself as a
	# failure (go.dev/issue/75804): no input is at fault then, and none is named.
	if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|--- FAIL: Fuzz[A-Za-z0-9_]*/' "$log"; then
		echo "$target: the time was up"
		continue
	fi
	exit 1
done < <(git ls-files -co --exclude-standard -- '*_test.go' | xargs grep -o '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/')
[ "$found" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$found fuzz targets ran"
