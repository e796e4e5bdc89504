#!/usr/bin/env bash
# Measures what a call through build/libnccl.so.2 costs beside one of package engine. A
# quiet machine with two free cores is wanted; nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require gcc gcc
mkdir -p build/check
gcc -O2 -Wall -Werror -Ilibnccl libnccl/check/overhead.c build/libnccl.so.2 -Wl,-rpath,"$PWD/build" -o build/check/overhead-rank
go build -o build/check/overhead ./libnccl/check/overhead
build/check/overhead build/check/overhead-rank
