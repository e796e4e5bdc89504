#!/usr/bin/env bash
# Installs the library, its headers and its pkg-config file under PREFIX, or under
# DESTDIR for packages: install_libnccl.sh PREFIX
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${1:?usage: install_libnccl.sh PREFIX}
to=${DESTDIR:-}$prefix
install -d "$to/lib/pkgconfig" "$to/include"
install -m 755 build/libnccl.so.2 "$to/lib"
ln -sf libnccl.so.2 "$to/lib/libnccl.so"
install -m 644 libnccl/nccl.h libnccl/monel_nccl.h "$to/include"
number() { sed -nE "s/^#define NCCL_$1 ([0-9]+)$/\1/p" libnccl/nccl.h; }
sed -e "s,@PREFIX@,$prefix," -e "s,@VERSION@,$(number MAJOR).$(number MINOR).$(number PATCH)," \
	libnccl/nccl.pc.in >"$to/lib/pkgconfig/nccl.pc"
