#!/usr/bin/env bash
# One bench binary under the launchers that people use: its own, Open MPI's
# mpirun, and the environments of torchrun and Slurm. Every run must be of four
# ranks, in every row, with no wrong value.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require mpirun openmpi-bin

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/bench" ./bench
flags=(-b 8 -e 2M -f 8 -n 3 -w 1 --layout mixed --timeout 60s)
rows=14 # seven sizes, in place and out of place
one_form=7

# check NAME FILE looks at a run's JSON objects.
check() {
	local right rows=$rows
	case $1 in *sendrecv) rows=$one_form ;; esac
	right=$(grep -c '"ranks":4,.*"wrong":0,' "$2") || true
	[ "$right" = "$rows" ] && [ "$(wc -l <"$2")" = "$rows" ] || { cat "$2"; fail "$1: $right of $rows measurements are right"; }
	echo "$1: $right measurements of 4 ranks, none wrong"
}

# ranks NAME COLLECTIVE VARIABLES... starts four processes, with @ in the
# variables replaced by the rank, and waits for all of them.
ranks() {
	local name=$1 collective=$2 pids=() rank status=0
	shift 2
	for rank in 0 1 2 3; do
		env "${@//@/$rank}" "$dir/bench" "$collective" "${flags[@]}" --json "$dir/$name.json" >"$dir/$name.$rank" 2>&1 &
		pids+=($!)
	done
	for rank in 0 1 2 3; do
		wait "${pids[$rank]}" || { status=1; cat "$dir/$name.$rank"; }
	done
	[ "$status" = 0 ] || fail "$name $collective: a rank failed"
	check "$name $collective" "$dir/$name.json"
}

for collective in all_reduce all_gather alltoall broadcast gather hypercube reduce reduce_scatter scatter sendrecv; do
	"$dir/bench" "$collective" -np 4 "${flags[@]}" --json "$dir/own.json" >"$dir/own"
	check "-np $collective" "$dir/own.json"

	case $collective in all_reduce | broadcast | all_gather) ;; *) continue ;; esac # the launcher does not matter to the rest

	timeout 120 mpirun -n 4 --allow-run-as-root --oversubscribe "$dir/bench" "$collective" "${flags[@]}" --json "$dir/mpi.json" >"$dir/mpi"
	check "mpirun $collective" "$dir/mpi.json"

	ranks torchrun "$collective" RANK=@ WORLD_SIZE=4 LOCAL_RANK=@ LOCAL_WORLD_SIZE=4 \
		MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + RANDOM % 10000)) TORCHELASTIC_RUN_ID=check

	ranks slurm "$collective" SLURM_JOB_ID=4711 SLURM_STEP_ID=0 SLURM_PROCID=@ SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 \
		SLURM_LOCALID=@ SLURM_STEP_TASKS_PER_NODE=4 SLURM_TASKS_PER_NODE=4 SLURM_NNODES=1 SLURM_STEP_NODELIST=localhost
done
