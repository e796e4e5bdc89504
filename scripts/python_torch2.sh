#!/usr/bin/env bash
# The Python package's tests with a PyTorch 2, Debian 13's, in a folder of the cache: about
# 1 GB, which is kept. Needs root, for chroot.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require debootstrap debootstrap
root=${XDG_CACHE_HOME:-$HOME/.cache}/monel/debian13 # not among the sources, which tools walk through
mkdir -p "$root"
if ! [ -e "$root/.complete" ]; then
	as_root debootstrap --variant=minbase trixie "$root" >/dev/null
	as_root chroot "$root" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends python3-torch python3-numpy >/dev/null
	as_root touch "$root/.complete"
fi
as_root mkdir -p "$root/monel"
as_root rm -rf "$root/monel/python"
as_root cp -r python build/libnccl.so.2 "$root/monel"
for place in proc dev; do
	mountpoint -q "$root/$place" || as_root mount --bind "/$place" "$root/$place"
done
trap 'as_root umount "$root/proc" "$root/dev"' EXIT
for test in numpy torch; do
	echo "== python/tests/test_$test.py"
	as_root timeout 300 chroot "$root" env PYTHONPATH=/monel/python PYTHONDONTWRITEBYTECODE=1 MONEL_LIBNCCL=/monel/libnccl.so.2 \
		python3 -W ignore "/monel/python/tests/test_$test.py"
done
