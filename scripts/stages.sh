#!/usr/bin/env bash
# stages.sh WIDTH STAGE... makes stages of the check, as many at a time as WIDTH says, in
# the order given, and says how long each took and how much of two processors' time.
# Beside others a stage's output is shown in one piece when it ends. After one that
# fails none is begun, those that are under way are waited for, and what the failed one
# said is shown last.
#
# libnccl is not built anew for those that need it: it is a stage before them.
set -uo pipefail
cd "$(dirname "$0")/.."
width=$1
shift
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
TIMEFORMAT='%R s, of processors %U s and in the kernel %S s'

# stage NAME makes one; $logs/NAME.time says what it took.
stage() {
	local built=(-o libnccl)
	[ "$1" != libnccl ] || built=()
	{ time make --no-print-directory "${built[@]}" "$1" 2>&3 3>&-; } 3>&2 2>"$logs/$1.time"
}

if [ "$width" = 1 ]; then
	for name; do
		echo "=== $name"
		stage "$name" || { echo "=== $name FAILED" >&2; exit 1; }
		echo "=== $name passed: $(cat "$logs/$name.time")"
	done
	exit
fi

set -m # each stage is a group of processes of its own, which can be ended
declare -A running=()
failed=()
interrupted() {
	local pid
	for pid in "${!running[@]}"; do kill -TERM -- "-$pid"; done
	wait
	for pid in "${!running[@]}"; do
		echo "=== ${running[$pid]} was interrupted; so far:"
		cat "$logs/${running[$pid]}"
	done >&2
	exit 130
}
trap interrupted INT TERM HUP
# finish waits for a stage to end.
finish() {
	local pid status=0 name
	wait -n -p pid "${!running[@]}" || status=$?
	name=${running[$pid]}
	unset "running[$pid]"
	if [ "$status" != 0 ]; then
		failed+=("$name")
		echo "=== $name FAILED, what it said comes last"
		return
	fi
	echo "=== $name passed: $(cat "$logs/$name.time")"
	cat "$logs/$name"
}
for name; do
	[ ${#running[@]} -lt "$width" ] || finish
	[ ${#failed[@]} = 0 ] || break
	echo "=== $name begins"
	stage "$name" </dev/null >"$logs/$name" 2>&1 &
	running[$!]=$name
done
while [ ${#running[@]} -gt 0 ]; do finish; done
for name in "${failed[@]}"; do
	echo "=== $name FAILED:"
	cat "$logs/$name"
	echo "=== $name FAILED"
done >&2
[ ${#failed[@]} = 0 ]
