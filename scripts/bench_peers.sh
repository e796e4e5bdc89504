#!/usr/bin/env bash
# Installs the other implementations (Debian) and measures them in turns with
# ours: all_reduce, broadcast, all_gather, reduce_scatter and alltoall over TCP and over shared memory, for each number
# of ranks in NP. FLAGS replace the sizes; RESULTS is a Markdown file to write
# anew, beside which the pictures are put.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require mpicc.openmpi libopenmpi-dev
require mpirun.openmpi openmpi-bin
require mpicc.mpich libmpich-dev
require mpirun.mpich mpich
require g++ g++
# packaged PACKAGE installs what has no command to look for.
packaged() {
	if dpkg -s "$1" >/dev/null 2>&1; then
		return
	fi
	echo "installing $1"
	[ -n "${apt_updated:-}" ] || as_root apt-get update -qq || fail "apt-get update failed; $1 is needed"
	apt_updated=1
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null ||
		fail "cannot install $1"
}
packaged libgloo-dev
packaged python3-torch
packaged python3-numpy

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/bench" ./bench
read -ra flags <<<"${FLAGS:--b 8 -e 16M -f 8}"
[ -z "${RESULTS:-}" ] || rm -f "$RESULTS"
# contest NP COLLECTIVE TRANSPORT PEERS
contest() {
	local keep=()
	if [ -n "${RESULTS:-}" ]; then
		keep=(--results "$RESULTS" --plot "${RESULTS%.md}-$2-$3-$1.svg")
	fi
	case $2 in all_reduce | broadcast) keep+=(--limit) ;; esac
	"$dir/bench" "$2" -np "$1" --transport "$3" --peers "$4" "${flags[@]}" "${keep[@]}"
}
for np in ${NP:-2 4}; do
	for collective in all_reduce broadcast; do
		contest "$np" "$collective" tcp openmpi,mpich,gloo,torch
		contest "$np" "$collective" shm openmpi,mpich
	done
	for collective in all_gather reduce_scatter alltoall; do
		for transport in tcp shm; do
			contest "$np" "$collective" "$transport" openmpi,mpich
		done
	done
done
