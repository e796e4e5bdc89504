#!/usr/bin/env bash
# Runs every fuzz target for a short while, FUZZTIME each; those that compare
# the kernels with a reference over random layouts for FUZZTIME_LAYOUTS. Two at a
# time, with a worker each, since most of a short run is one-sided: building, and the
# corpus. FUZZTIME=10000000x asks for so many executions instead.
set -euo pipefail
cd "$(dirname "$0")/.."

# one FILE:TARGET
one() {
	local dir target=${1##*:} for_this=${FUZZTIME:-5s} log
	dir=./$(dirname "${1%%:*}")
	case $target in FuzzViews | FuzzReduce | FuzzMove | FuzzKernels) for_this=${FUZZTIME_LAYOUTS:-60s} ;; esac
	log=$(mktemp)
	trap 'rm -f "$log"' RETURN
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$for_this" -parallel 1 "$dir" >"$log" 2>&1; then
		echo "== $target in $dir for $for_this: $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
		return
	fi
	# Go before 1.27 now and then reports the end of the fuzzing time itself as a
	# failure (go.dev/issue/75804): no input is at fault then, and none is named.
	if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|--- FAIL: Fuzz[A-Za-z0-9_]*/' "$log"; then
		echo "== $target in $dir: the time was up"
		return
	fi
	echo "== $target in $dir FAILED"
	cat "$log"
	return 255 # which ends xargs
}
if [ $# -gt 0 ]; then
	one "$1"
	exit
fi
# The long ones first, so that none is left over at the end.
targets=$(git ls-files -co --exclude-standard -- '*_test.go' | xargs grep -o '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' |
	awk -F: '{ print ($2 ~ /^Fuzz(Views|Reduce|Move|Kernels)$/ ? 0 : 1) " " $0 }' | sort -s -k1,1 | cut -d' ' -f2)
[ -n "$targets" ] || { echo "no fuzz target found"; exit 1; }
xargs -P 2 -n 1 "$PWD/scripts/fuzz.sh" <<<"$targets"
echo "$(wc -l <<<"$targets") fuzz targets ran"
