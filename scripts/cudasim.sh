#!/usr/bin/env bash
# The simulated CUDA driver itself: its functions are those of NVIDIA's header,
# and many threads with many streams find neither a data race nor undefined
# behaviour in it. SEED repeats a run.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
require cc gcc
include=$(cuda_include)
seed=${SEED:-$RANDOM}
driver=cudaffi/cudasim/driver
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo "== signatures and numbers"
for source in "$driver"/*.c; do
	# The first versions of functions are in no header of today.
	[ "$(basename "$source")" = obsolete.c ] || cc -fsyntax-only -Wall -DMONEL_SIM_OFFICIAL -I"$include" "$source"
done
{
	echo '#include <cuda.h>'
	grep -oE '\bCUD?A?_[A-Z0-9_]+ = [0-9x< ]+' "$driver/abi.h" |
		grep -v '^CU_DEVICE_ATTRIBUTE_MAX ' | sed -E 's/^(\w+) = (.*)$/_Static_assert((long)\1 == (\2), "\1");/'
	awk '/^#define CU_MEM/ {printf "_Static_assert(%s == %s, \"%s\");\n", $2, $3, $2}' "$driver/abi.h"
} >"$dir/numbers.c"
[ "$(wc -l <"$dir/numbers.c")" -gt 150 ] || fail "the numbers of abi.h were not found"
cc -fsyntax-only -I"$include" "$dir/numbers.c"

stress() {
	local name=$1 rounds=$2
	shift 2
	echo "== $name"
	cc -O1 -g -Wall -Wextra -pthread "$@" -o "$dir/$name" "$driver"/*.c cudaffi/cudasim/stress/stress.c
	timeout 300 "$dir/$name" "$seed" "$rounds"
}
stress thread "${ROUNDS:-400}" -fsanitize=thread
stress undefined "${ROUNDS:-1000}" -fsanitize=undefined -fno-sanitize-recover=undefined
