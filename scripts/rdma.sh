#!/usr/bin/env bash
# RDMA on a real kernel: virtual machines with Debian's kernel and Soft-RoCE, the
# kernel's own RDMA adapter made of a network card. One machine runs the transport's
# conformance suite, the collectives' matrix, the fault cases, adapters that read
# the memory of simulated GPUs, and perftest beside ours; then two, joined by a network,
# run collectives with each other.
#
# ONLY=single or ONLY=two runs one half, and KEEP=1 keeps the logs of machines that
# pass. They boot with KVM where the processor offers it, and without otherwise (KVM=0
# makes them do so). When something fails, their logs are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
require qemu-system-x86_64 qemu-system-x86
require cpio cpio
require timeout coreutils
require cc gcc
require c++ g++
system=$(rdma_system)
kernel=$(find "$system/boot" -name 'vmlinuz-*' | head -1)
[ -n "$kernel" ] || fail "$system has no kernel: remove the folder"
version=${kernel##*/vmlinuz-}

dir=$(mktemp -d)
machines=()
declare -A title=([host1]="host 1: " [host2]="host 2: ")
cleanup() {
	local status=$?
	[ ${#machines[@]} = 0 ] || kill "${machines[@]}" 2>/dev/null || true
	if [ "$status" = 0 ]; then
		rm -rf "$dir"
	else
		rm -rf "$dir/root" "$dir/image"
		echo "the machines' logs are in $dir"
	fi
}
trap cleanup EXIT

# The machine's files: what Debian's packages bring, without what nobody needs, our
# programs, and the kernel's modules.
echo "== building the machine"
root=$dir/root
mkdir -p "$root/monel" "$root/lib/modules/$version/kernel"
(cd "$system" && find bin sbin lib lib64 usr etc \( -path 'lib/modules' -o -path 'usr/share' -o -path '*/gconv' -o -path 'usr/include' \) -prune -o \( -type f -o -type l \) -print |
	cpio -pdm --quiet "$root")
rm -f "$root/bin/ip" "$root/sbin/ip" # needs more libraries than busybox's
for applet in $("$system/bin/busybox" --list); do
	[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
modules=$system/lib/modules/$version
(cd "$modules" && find kernel/drivers/infiniband/core kernel/drivers/infiniband/sw kernel/drivers/virtio kernel/drivers/net/virtio_net.ko \
	kernel/drivers/net/net_failover.ko kernel/drivers/net/dummy.ko kernel/net/core/failover.ko kernel/net/ipv4/udp_tunnel.ko \
	kernel/net/ipv6/ip6_udp_tunnel.ko kernel/crypto/crc32_generic.ko -name '*.ko*' | cpio -pdm --quiet "$root/lib/modules/$version")
cp "$modules/modules.order" "$modules/modules.builtin" "$root/lib/modules/$version/"
"$system/bin/busybox" depmod -b "$root" "$version"
cp scripts/rdma/init "$root/init"
cp scripts/rdma/single scripts/rdma/figures scripts/rdma/host1 scripts/rdma/host2 "$root/monel/"
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
go build -ldflags='-s -w' -o "$root/bin/bench" ./bench
go test -ldflags='-s -w' -c -o "$root/bin/rdma.test" ./transport/rdma
go test -ldflags='-s -w' -c -o "$root/bin/engine.test" ./engine
# A simulated GPU, and what an adapter beside one has; see dmabuf.c.
cp "$(go run ./cudaffi/cudasim/build)" "$root/monel/libcuda.so.1"
verbs=$(find "$system/" -name 'libibverbs.so.1' | head -1)
cc -shared -fPIC -O1 -Wall -o "$root/monel/libmonel-dmabuf.so" scripts/rdma/dmabuf.c "$verbs" -Wl,--allow-shlib-undefined
(cd "$root" && find . | cpio -o -H newc --quiet) >"$dir/image"

accelerator=tcg
if [ "${KVM:-1}" = 1 ] && [ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
	accelerator=kvm
fi

# boot NAME QEMU-FLAGS... starts a machine in the background. It writes to $dir/NAME.
boot() {
	local name=$1
	shift
	timeout "${VM_TIMEOUT:-300}" qemu-system-x86_64 -accel $accelerator -cpu max -smp 2 -m 1500 -kernel "$kernel" -initrd "$dir/image" \
		-append "console=ttyS0 quiet panic=-1 monel=$name" -nographic -no-reboot "$@" </dev/null 2>&1 | sed -u 's/\r//g' >"$dir/$name" &
	machines+=($!)
}

# finish NAME... waits for the machines, shows what they say, and fails if one has
# not said that all is well.
finish() {
	local name status=0 i=0
	for name; do
		tail -n +1 -s 0.3 -f --pid="${machines[$i]}" "$dir/$name" | sed -u -n 's/^   /   '"${title[$name]-}"'/p' || true
		i=$((i + 1))
	done
	wait "${machines[@]}" || true
	machines=()
	for name; do
		grep -q 'MONEL: ALL PASSED' "$dir/$name" && continue
		status=1
		grep -q 'MONEL: END' "$dir/$name" || { echo "$name did not come to its end; the last it said:"; tail -n 40 "$dir/$name"; }
	done
	[ $status = 0 ] || fail "RDMA: not all passed"
}

if [ "${ONLY:-single}" = single ]; then
	echo "== one machine ($accelerator)"
	boot single -nic none
	finish single
fi
[ "${ONLY:-two}" = two ] || exit 0
echo "== two machines ($accelerator)"
network=(-device virtio-net-pci,netdev=net,host_mtu=4200)
boot host1 -netdev "stream,id=net,server=on,addr.type=unix,addr.path=$dir/network" "${network[@]},mac=52:54:00:77:00:01"
for _ in $(seq 100); do
	[ -S "$dir/network" ] && break
	sleep 0.1
done
boot host2 -netdev "stream,id=net,server=off,addr.type=unix,addr.path=$dir/network" "${network[@]},mac=52:54:00:77:00:02"
finish host1 host2
echo "RDMA: all passed"
