#!/usr/bin/env bash
# Runs every fuzz target for a short while, FUZZTIME each; those that compare
# the kernels with a reference over random layouts for FUZZTIME_LAYOUTS. Two at a
# time, with a worker each, since most of a short run is one-sided: building, and the
# corpus. FUZZTIME=10000000x asks for so many executions instead. A package's targets
# share one binary. fuzz.sh FILE:TARGET runs that one alone.
set -euo pipefail
cd "$(dirname "$0")/.."

# build DIR makes the binary of a package, as go test -fuzz would; lint vets.
build() { go test -c -fuzz . -vet=off -ldflags='-s -w' -o "$binaries/${1//\//-}" "./$1"; }

# one FILE:TARGET runs a target as go test -fuzz would: in the package's folder, where
# inputs that fail are kept.
one() {
	local dir target=${1##*:} for_this=${FUZZTIME:-5s} log execs
	dir=$(dirname "${1%%:*}")
	case $target in FuzzViews | FuzzReduce | FuzzMove | FuzzKernels) for_this=${FUZZTIME_LAYOUTS:-30s} ;; esac
	log=$(mktemp)
	trap 'rm -f "$log"' RETURN
	if (cd "$dir" && "$binaries/${dir//\//-}" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$for_this" -test.parallel 1 \
		-test.timeout 10m -test.fuzzcachedir "$corpora/$dir") >"$log" 2>&1; then
		# A binary that has no such target says so, and succeeds.
		if ! grep -q 'no fuzz tests to fuzz' "$log"; then
			execs=$(grep -o 'execs: [0-9]*' "$log" | tail -1) || execs='only what is kept of earlier runs'
			echo "== $target in ./$dir for $for_this: $execs"
			return
		fi
	# Go before 1.27 now and then reports the end of the fuzzing time itself as a
	# failure (go.dev/issue/75804): no input is at fault then, and none is named.
	elif grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|--- FAIL: Fuzz[A-Za-z0-9_]*/' "$log"; then
		echo "== $target in ./$dir: the time was up"
		return
	fi
	echo "== $target in ./$dir FAILED"
	cat "$log"
	return 255 # which ends xargs
}

case ${1:-} in
--build)
	build "$2" || exit 255
	exit
	;;
--run)
	one "$2"
	exit
	;;
esac
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
corpora=$(go env GOCACHE)/fuzz/$(go list -m)
export binaries corpora
if [ $# -gt 0 ]; then
	build "$(dirname "${1%%:*}")"
	one "$1"
	exit
fi
# The long ones first, so that none is left over at the end.
targets=$(git ls-files -co --exclude-standard -- '*_test.go' | xargs grep -o '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' |
	awk -F: '{ print ($2 ~ /^Fuzz(Views|Reduce|Move|Kernels)$/ ? 0 : 1) " " $0 }' | sort -s -k1,1 | cut -d' ' -f2)
[ -n "$targets" ] || { echo "no fuzz target found"; exit 1; }
cut -d: -f1 <<<"$targets" | xargs -n 1 dirname | sort -u | xargs -P 2 -n 1 "$PWD/scripts/fuzz.sh" --build
xargs -P 2 -n 1 "$PWD/scripts/fuzz.sh" --run <<<"$targets"
echo "$(wc -l <<<"$targets") fuzz targets ran"
