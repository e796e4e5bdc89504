#!/usr/bin/env bash
# The CUDA kernels: the PTX is what the sources make today, and NVIDIA's assembler
# makes code of it for each generation of GPUs that keeps everything in registers.
# Prints how many registers a thread takes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
ptxas=$(ptxas)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

scripts/ptx.sh "$dir"
gpus="75 80 90 100"
for name in kernels agent; do
	ptx=$dir/$name.ptx
	cmp "$ptx" "cudaffi/kernels/$name.ptx" || fail "$name.ptx is not what its sources make: run make ptx and commit"
	echo "$name.ptx is up to date: $(wc -c <"$ptx") bytes"
	for gpu in $gpus; do
		"$ptxas" "-arch=sm_$gpu" -v -o "$dir/cubin" "$ptx" 2>"$dir/said" || { cat "$dir/said"; fail "ptxas refuses $name.ptx for sm_$gpu"; }
		awk -v gpu="$gpu" '
			/Compiling entry function/ { split($0, q, "\x27"); kernel = q[2] }
			/stack frame/ { stack = $1 + $5 + $9 }
			/Used .* registers/ { print kernel, gpu, $5, stack }' "$dir/said" >>"$dir/table"
	done
done
kernels=$(grep -c '^\.visible \.entry' "$dir/kernels.ptx" "$dir/agent.ptx" | awk -F: '{ n += $2 } END { print n }')
[ "$(wc -l <"$dir/table")" = $((kernels * 4)) ] || { cat "$dir/said"; fail "what ptxas says about $kernels kernels is not understood"; }
awk -v gpus="$gpus" '
	BEGIN { n = split(gpus, gpu, " "); printf "%-20s", "registers of sm_"; for (i = 1; i <= n; i++) printf "%5s", gpu[i]; print "" }
	!($1 in seen) { seen[$1]; order[++kernels] = $1 }
	{ registers[$1, $2] = $3; bad[$1] += $4 }
	END {
		for (k = kernels; k > 0; k--) {
			printf "%-20s", order[k]
			for (i = 1; i <= n; i++) printf "%5s", registers[order[k], gpu[i]]
			print bad[order[k]] ? "  keeps " bad[order[k]] " bytes elsewhere" : ""
			wrong += bad[order[k]]
		}
		exit wrong > 0
	}' "$dir/table" || fail "kernels need more registers than there are, or have arrays that are not in registers"
