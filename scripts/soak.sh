#!/usr/bin/env bash
# Communicators that are made, used, split, shrunk and closed for SOAKTIME (2m), by four
# ranks over TCP and, beside them, four over shared memory. None may hold on to more
# memory, descriptors or goroutines at the end than after the first ten. SEED repeats a
# run. It gives way to others: how many they are does not matter much.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

dir=$(mktemp -d)
runs=()
cleanup() {
	[ ${#runs[@]} = 0 ] || kill "${runs[@]}" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
CGO_ENABLED=0 go build -o "$dir/bench" ./bench
wires=(tcp shm)
for wire in "${wires[@]}"; do
	nice -n 5 "$dir/bench" faults soak -np 4 --transport "$wire" --time "${SOAKTIME:-2m}" --seed "${SEED:-0}" >"$dir/$wire" 2>&1 &
	runs+=($!)
done
failed=
for wire in "${wires[@]}"; do
	wait "${runs[0]}" || failed="$failed The soak over $wire ended with $?."
	runs=("${runs[@]:1}")
	cat "$dir/$wire"
done
[ -z "$failed" ] || fail "$failed"
