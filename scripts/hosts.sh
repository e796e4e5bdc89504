#!/usr/bin/env bash
# Three hosts on one machine: network namespaces on a bridge, each with its own
# address and shared memory among its own ranks only, TCP between them. First on
# a fast network, then on one that is slow and loses packets: delayed by netem,
# or, where the kernel has none, squeezed through token buckets whose queues
# overflow. Results must be right, and each rank must say which wires it uses.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require ip iproute2
require tc iproute2
require timeout coreutils

dir=$(mktemp -d)
tag=mn$$
hosts=3
cleanup() {
	local h
	for h in $(seq $hosts); do
		as_root ip netns del "$tag-$h" 2>/dev/null || true
	done
	as_root ip link del "$tag" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

as_root ip link add "$tag" type bridge || fail "this kernel lets nobody make bridges: run where network namespaces are allowed"
as_root ip link set "$tag" up
for h in $(seq $hosts); do
	as_root ip netns add "$tag-$h"
	as_root ip link add "$tag.$h" type veth peer name eth0 netns "$tag-$h"
	as_root ip link set "$tag.$h" master "$tag" up
	as_root ip -n "$tag-$h" addr add "10.213.7.$h/24" dev eth0
	as_root ip -n "$tag-$h" link set eth0 up
	as_root ip -n "$tag-$h" link set lo up
done
CGO_ENABLED=0 go build -o "$dir/bench" ./bench

# job NAME ROWS HOSTS FLAGS... runs one rank for each number in HOSTS, which says
# on which host it runs.
job() {
	local name=$1 rows=$2 places=$3 pids=() rank=0 status=0 h right
	shift 3
	local size
	size=$(wc -w <<<"$places")
	for h in $places; do
		as_root ip netns exec "$tag-$h" timeout 150 env MONEL_RANK=$rank "MONEL_SIZE=$size" \
			MONEL_ROOT=10.213.7.1:7077 "MONEL_SECRET=$tag-secret-of-this-check" NCCL_SOCKET_IFNAME==eth0 NCCL_DEBUG=INFO \
			"$dir/bench" "$@" --timeout 120s --json "$dir/$rank.json" >"$dir/$rank.out" 2>&1 &
		pids+=($!)
		rank=$((rank + 1))
	done
	for rank in $(seq 0 $((size - 1))); do
		wait "${pids[$rank]}" || { status=1; cat "$dir/$rank.out"; }
	done
	[ "$status" = 0 ] || fail "$name: a rank failed"
	right=$(grep -c '"wrong":0,' "$dir/0.json") || true
	[ "$right" = "$rows" ] || { cat "$dir/0.out"; fail "$name: $right of $rows measurements are right"; }
	echo "$name: $right measurements of $size ranks, none wrong; $(grep -ho 'over [a-z+]*; ring [0-9 >]*' "$dir/0.out" | head -1)"
}

# wires NAME... asserts which wires the ranks of the last job used, by rank.
wires() {
	local rank=0 want
	for want in "$@"; do
		grep -q "rank $rank of .* over $want; ring" "$dir/$rank.out" || { cat "$dir/$rank.out"; fail "rank $rank does not use $want"; }
		rank=$((rank + 1))
	done
}

for collective in all_reduce broadcast; do
	# Two ranks on each of two hosts, one on the third; numbered host by host, and
	# dealt out in turns, where the ring has to be put in order.
	job "fast $collective" 14 "1 1 2 2 3" $collective -b 8 -e 2M -f 8 -n 3 -w 1 --layout mixed
	wires shm+tcp shm+tcp shm+tcp shm+tcp tcp
	job "connections $collective" 14 "1 1 2 2 3" $collective -b 8 -e 2M -f 8 -n 3 -w 1 --layout mixed --connections 3
	wires shm+tcp shm+tcp shm+tcp shm+tcp tcp
	job "dealt out $collective" 14 "1 2 3 1 2" $collective -b 8 -e 2M -f 8 -n 3 -w 1 --layout mixed
	wires shm+tcp shm+tcp tcp shm+tcp shm+tcp
	grep -q "ring 0 > 3 > 1 > 4 > 2;" "$dir/0.out" || fail "the ring does not go host by host"
done

for h in $(seq $hosts); do
	if as_root tc -n "$tag-$h" qdisc add dev eth0 root netem delay 2ms 1ms loss 1% 2>/dev/null; then
		how="netem, 2 ms and 1 % loss"
	else
		how="token buckets of 200 Mbit/s that overflow"
		as_root tc -n "$tag-$h" qdisc add dev eth0 root tbf rate 200mbit burst 16kb limit 48kb ||
			fail "the kernel has neither netem nor tbf"
	fi
done
echo "slow network: $how"
for collective in all_reduce broadcast; do
	for connections in 1 4; do
		job "slow $collective, $connections connections" 8 "1 1 2 3" $collective -b 512 -e 256K -f 8 -n 2 -w 1 --layout mixed --connections $connections
		wires shm+tcp shm+tcp tcp tcp
	done
done
dropped=0
for h in $(seq $hosts); do
	dropped=$((dropped + $(as_root tc -n "$tag-$h" -s qdisc show dev eth0 | grep -oP 'dropped \K[0-9]+' | head -1)))
done
[ "$dropped" -gt 0 ] || fail "the slow network has lost no packet: it checks nothing"
echo "slow network: $dropped packets lost on the way, every value right"
