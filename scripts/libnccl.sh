#!/usr/bin/env bash
# Compares build/libnccl.so.2 with NVIDIA's headers and library, from PyPI, and runs
# programs on it that were compiled against those headers, a new one and an old one.
# None of NVIDIA's code is run, and no GPU is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
require gcc gcc
require nm binutils
require python3 python3

library=$PWD/build/libnccl.so.2
work=build/check
new=$(wheel nvidia-nccl-cu13 2.32.3)/nvidia/nccl
old=$(wheel nvidia-nccl-cu12 2.18.3)/nvidia/nccl
cuda=(-isystem "$(cuda_include)"
	-isystem "$(wheel nvidia-cuda-nvcc-cu12 12.9.86)/nvidia/cuda_nvcc/include"
	-isystem "$(wheel nvidia-cuda-cccl-cu12 12.9.27)/nvidia/cuda_cccl/include")
rm -rf $work && mkdir -p $work/monel
cp libnccl/monel_nccl.h $work/monel # without our nccl.h beside it

echo "== headers"
python3 libnccl/check/header.py "$new/include" libnccl "$library" $work "${cuda[@]}"
python3 libnccl/check/header.py "$old/include" libnccl "$library" $work --older "${cuda[@]}"
# Ours works without CUDA's, and in C++.
for language in c c++; do
	echo '#include <monel_nccl.h>
		int main(void) { ncclConfig_t c = NCCL_CONFIG_INITIALIZER; return c.magic != NCCL_API_MAGIC; }' >$work/ours.source
	gcc -x $language -Wall -Werror -Ilibnccl $work/ours.source -o $work/ours && $work/ours
done

echo "== unit tests"
CGO_ENABLED=1 go test ./libnccl

echo "== symbols"
symbols() { nm -D --defined-only "$1" | awk '{print $3}' | sed 's/@.*//' | sort; }
symbols "$library" >$work/ours.symbols
# What is internal to NVIDIA's library has no declaration.
symbols "$new/lib/libnccl.so.2" | grep -v 'Internal$' >$work/theirs.symbols
missing=$(comm -13 $work/ours.symbols $work/theirs.symbols)
[ -z "$missing" ] || fail "these functions are missing: $missing"
strange=$(comm -23 $work/ours.symbols $work/theirs.symbols | grep -Ev '^monel([A-Za-z]*Strided|CommInitEnv)$' || true)
[ -z "$strange" ] || fail "these symbols should not be visible: $strange"
readelf -d "$library" | grep -q 'soname: \[libnccl.so.2\]' || fail "the soname is not libnccl.so.2"
readelf -d "$library" | grep -q NODELETE || fail "the library can be unloaded"
echo "$(wc -l <$work/theirs.symbols) symbols of NVIDIA's library are there"

build() { # NAME INCLUDE SOURCE
	gcc -O1 -Wall -Werror -isystem "$2" "${cuda[@]}" -I$work/monel "libnccl/check/$3" "$library" \
		-Wl,-rpath,"$PWD/build" -lm -ldl -lpthread -o "$work/$1"
}

echo "== programs"
build client "$new/include" client.c
build client-old "$old/include" client.c
build strided "$new/include" strided.c
build strided-old "$old/include" strided.c
build usage "$new/include" usage.c
build children "$new/include" children.c
build host "$new/include" host.c
build device "$new/include" device.c
build random "$new/include" random.c
run() {
	echo "$*"
	timeout 120 "$work/$1" "${@:2}" || fail "$* ended with $?"
}
for n in 1 2 3 4; do
	for client in client client-old; do
		run $client processes $n
		run $client threads $n
		run $client grouped $n
		run $client address $n
		[ $n = 1 ] || run $client abort $n
	done
done
run strided
run strided-old
run usage
run children
run host
# It loads the library itself, behind handlers or before them.
gcc -O1 -Wall -Werror -isystem "$new/include" "${cuda[@]}" libnccl/check/signals.c -lm -ldl -lpthread -o "$work/signals"
for when in before after; do
	for how in onstack plain; do
		run signals "$library" $when $how
	done
done
# A program that brings NVIDIA's library along, as PyTorch does, gets ours if it is loaded
# first, and never loads the other one.
gcc -O1 -Wall -Werror -isystem "$new/include" "${cuda[@]}" libnccl/check/client.c "$new/lib/libnccl.so.2" \
	-Wl,-rpath,"$new/lib" -lm -ldl -lpthread -o "$work/client-theirs"
for mode in "processes 2" "threads 2"; do
	echo "client linked with NVIDIA's library, ours preloaded: $mode"
	LD_PRELOAD=$library timeout 120 "$work/client-theirs" $mode || fail "client-theirs ended with $?"
done
LD_PRELOAD=$library ldd "$work/client-theirs" | awk '/libnccl/ {print $1}' >$work/loaded
[ "$(cat $work/loaded)" = "$library" ] || fail "besides ours is loaded: $(cat $work/loaded)"
echo "== devices"
MONEL_LIBNCCL_DEVICE=$PWD/$work/device MONEL_LIBNCCL_RANDOM=$PWD/$work/random go test -count=1 -tags libnccl ./libnccl/check/device
echo "== wrappers"
MONEL_LIBNCCL=$library timeout 120 python3 libnccl/check/wrapper.py
