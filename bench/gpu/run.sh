#!/usr/bin/env bash
# Checks and measures Monel on this machine's NVIDIA GPUs, in about twelve minutes.
#
#   bench/gpu/run.sh [FOLDER]
#
# The programs are taken from the folder that this script is in, if they are there (see
# `make gpu`), or else from build/gpu, where it builds them. FOLDER, by default
# ./gpu-results, gets a log of each step, the tables as JSON and a picture; a short
# table is printed last. With two GPUs or more the ranks have one each, and are measured
# beside NCCL, if python3 has a PyTorch that has it. With one GPU two ranks share it:
# that is right, and slow, since processes take turns on a GPU.
#
# It exits with 1 if a check has failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-gpu-results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -x "$here/bench" ]; then
	bin=$here
else
	root=$(cd "$here/../.." && pwd)
	bin=$root/build/gpu
	[ -x "$bin/bench" ] || "$root/scripts/gpu_programs.sh" || exit 1
fi
gpus=$("$bin/bench" doctor 2>/dev/null | grep -c '^GPU ' || true)
command -v nvidia-smi >/dev/null && gpus=$(nvidia-smi -L | grep -c '^GPU')
[ "$gpus" -gt 0 ] || {
	echo "error: no GPU found; $bin/bench doctor says more" >&2
	exit 1
}
export MONEL_TEST_GPU=1
summary=$out/summary.txt
: >"$summary"
failed=0

# step NAME SECONDS COMMAND... runs a step within a time and notes how it ended.
step() {
	local name=$1 limit=$2 started=$SECONDS verdict=ok
	shift 2
	echo "== $name"
	timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
	local rc=$?
	if [ $rc -ne 0 ]; then
		verdict="FAILED ($rc)"
		[ $rc -eq 124 ] && verdict="FAILED (not done within $limit s)"
		failed=1
		tail -n 15 "$out/$name.log"
	fi
	printf '%-28s %5d s  %s\n' "$name" $((SECONDS - started)) "$verdict" >>"$summary"
	return $rc
}

# table NAME SECONDS COMMAND... is step for a table, which is printed.
table() {
	step "$@" && grep -v '^#  *Rank' "$out/$1.log" | tail -n 20
}

tests() { step "$1" "$3" "$bin/$2.test" -test.timeout "$3s" -test.run "$4"; }

step doctor 30 "$bin/bench" doctor
tests driver cudaffi 90 'TestGPU'
tests kernels kernels 120 'TestDevice'
tests streams engine 90 'TestStream|TestLegacy|TestCallReturns|TestSeveral|TestOneComm|TestClose|TestFull|TestStart|TestCapture'
tests matrix engine 120 'TestDevice|TestMixed|TestManyDimensions|TestEmptyOnDevice'
tests processes engine 90 'TestCatalogue|TestKilled'
if [ -x "$bin/sanitizer/compute-sanitizer" ]; then
	for tool in memcheck racecheck; do
		step "sanitizer-$tool" 100 "$bin/sanitizer/compute-sanitizer" --tool "$tool" --error-exitcode 9 \
			"$bin/kernels.test" -test.timeout 95s -test.run 'TestDevice/pinned_slots_false/table/(float|bfloat16|int8)/'
	done
	step sanitizer-agent 60 "$bin/sanitizer/compute-sanitizer" --tool memcheck --error-exitcode 9 \
		"$bin/kernels.test" -test.timeout 55s -test.run 'TestDevice/pinned_slots_true/agent/(float|bfloat16)/'
fi

peers=()
python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null && peers=(--peers torch)
if [ ${#peers[@]} -gt 0 ] && [ -f "$bin/libnccl.so.2" ]; then
	table python 130 python3 "$bin/python_cuda.py" --monel "$bin/python" --library "$bin/libnccl.so.2" \
		--json "$out/python.json" --logs "$out/python-logs"
fi
table cuda-kernels 120 "$bin/bench" cuda-kernels -d float,bfloat16 --filter '^(pack|unpack|reduce_into)/.*/(contiguous|transpose|channels_last)/' \
	--rounds 3 "${peers[@]}" --json "$out/cuda-kernels.json"

beside=()
[ "$gpus" -ge 2 ] && [ ${#peers[@]} -gt 0 ] && beside=(--peers nccl)
largest=16M
[ "$gpus" -ge 2 ] && largest=1G
for wire in tcp shm; do
	table "all_reduce-$wire" 90 "$bin/bench" all_reduce --device cuda -np 2 --transport "$wire" "${beside[@]}" --rounds 3 \
		-b 8 -e "$largest" -f 8 -n 5 --results "$out/RESULTS.md" --plot "$out/all_reduce-$wire.svg" --json "$out/all_reduce-$wire.json"
	for layout in transpose channels_last; do
		table "all_reduce-$wire-$layout" 60 "$bin/bench" all_reduce --device cuda -np 2 --transport "$wire" "${beside[@]}" --rounds 3 \
			-b 16M -e "$largest" -f 64 -n 3 --layout "$layout" --results "$out/RESULTS.md" --plot "$out/all_reduce-$wire-$layout.svg" --json "$out/all_reduce-$wire-$layout.json"
	done
done
# A permuted latent in bfloat16, reduced and broadcast in place by two ranks that share
# the work of classifier-free guidance.
for collective in all_reduce broadcast; do
	table "latent-$collective" 40 "$bin/bench" "$collective" --device cuda -np 2 --transport tcp "${beside[@]}" --rounds 3 \
		-b 4M -e 4M -n 10 -d bfloat16 --layout channels_last --mode in_place --results "$out/RESULTS.md" --plot "$out/latent-$collective.svg" --json "$out/latent-$collective.json"
done
# The others, which nothing is measured beside.
for collective in all_gather reduce_scatter alltoall sendrecv reduce gather scatter hypercube; do
	table "$collective" 40 "$bin/bench" "$collective" --device cuda -np 2 -b 4K -e 16M -f 64 -n 5 --json "$out/$collective.json"
done

echo
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null
cat "$summary"
exit $failed
