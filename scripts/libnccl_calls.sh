#!/usr/bin/env bash
# Random programs of calls of build/libnccl.so.2, with the address sanitizer and with the
# thread sanitizer in the client, side by side, for CALLTIME seconds (60) each: two minutes
# of calls. CALLTIME=3600 for an hour each.
# SEED is the first round's, another one each day unless set. A failure names its seed, and
# SEED=... CALLTIME=0 makes that round again.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require gcc gcc

work=build/calls # libnccl-check, which may be under way, has a folder of its own
mkdir -p $work
library=$PWD/build/libnccl.so.2
seed=${SEED:-$(date +%Y%m%d)000000}
# The thread sanitizer wants addresses where it expects them, which the kernel's random
# ones may not be.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
	fixed=(setarch "$(uname -m)" -R)
fi
for sanitizer in address thread; do
	gcc -O1 -g -Wall -Werror -fsanitize=$sanitizer -fno-omit-frame-pointer -Ilibnccl libnccl/check/random.c "$library" \
		-Wl,-rpath,"$PWD/build" -lm -ldl -lpthread -o "$work/random-$sanitizer"
done
runs=()
for sanitizer in address thread; do
	timeout $((${CALLTIME:-60} + 200)) "${fixed[@]}" "$work/random-$sanitizer" "$seed" "${CALLTIME:-60}" >"$work/random-$sanitizer.log" 2>&1 &
	runs+=($!)
done
failed=
for sanitizer in address thread; do
	wait "${runs[0]}" || failed="$failed random-$sanitizer ended with $?."
	runs=("${runs[@]:1}")
	echo "== $sanitizer sanitizer, seeds from $seed on"
	cat "$work/random-$sanitizer.log"
done
[ -z "$failed" ] || fail "$failed"
