#!/usr/bin/env bash
# Builds build/libnccl.so.2. Only NCCL's functions and ours are visible in it
# (libnccl/libnccl.map), so it goes together with any other library.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require gcc gcc
mkdir -p build
linker="-Wl,-soname,libnccl.so.2 -Wl,-z,nodelete -Wl,--version-script=$PWD/libnccl/libnccl.map"
CGO_ENABLED=1 go build -buildmode=c-shared -trimpath "$@" -ldflags "-s -w -extldflags '$linker'" -o build/libnccl.so.2 ./libnccl
rm -f build/libnccl.so.h # Go's own header, which is of no use
ln -sf libnccl.so.2 build/libnccl.so
