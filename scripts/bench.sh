#!/usr/bin/env bash
# The verified tables that make bench prints.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/bench" ./bench
for collective in all_reduce broadcast; do
	for layout in contiguous transpose; do
		"$dir/bench" "$collective" -np "${NP:-2}" -b 8 -e 64M -f 8 -n 20 -w 3 --layout "$layout"
	done
done
"$dir/bench" ratio all_reduce -np "${NP:-2}" -b 64M -e 64M -n 5 -w 1 --rounds 5 --layouts transpose,contiguous
