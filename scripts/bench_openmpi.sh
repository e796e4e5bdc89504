#!/usr/bin/env bash
# Measures four collectives in turns with Open MPI (Debian), over TCP and shared
# memory with 2 and with 4 ranks, and prints one table of ratios in Markdown: our
# time divided by theirs, the median over the rounds. ROUNDS replaces their number.
# TABLE is a file to write it to as well.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require mpicc.openmpi libopenmpi-dev
require mpirun.openmpi openmpi-bin
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/bench" ./bench

# sweep COLLECTIVE NP TRANSPORT FLAGS... prints the cells of a row.
sweep() {
	local collective=$1 np=$2 transport=$3
	shift 3
	"$dir/bench" "$collective" -np "$np" --transport "$transport" --peers openmpi --rounds "${ROUNDS:-5}" "$@" >"$dir/out"
	awk '$1 ~ /^[0-9]+$/ {
		if ($7 != 0) { print "wrong values" >"/dev/stderr"; exit 1 }
		printf " %s (%s / %s µs) |", $5, $3, $4
	}' "$dir/out"
}
table() {
	echo "| ours ÷ Open MPI | 64 B | 8 KiB | 64 KiB | 256 KiB | 1 MiB | 4 MiB |"
	echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
	for collective in all_gather reduce_scatter broadcast alltoall; do
		for transport in tcp shm; do
			for np in 2 4; do
				echo -n "| $collective $transport, $np ranks |"
				sweep "$collective" "$np" "$transport" -b 64 -e 8K -f 128
				sweep "$collective" "$np" "$transport" -b 64K -e 4M -f 4
				echo
			done
		done
	done
}
echo "load before: $(cut -d' ' -f1 /proc/loadavg)"
if [ -n "${TABLE:-}" ]; then
	table | tee "$TABLE"
else
	table
fi
