#!/usr/bin/env bash
# All tests. Those of the CUDA bindings look at NVIDIA's header and at Debian's
# driver library, and those of RDMA at libibverbs's header, which are fetched first;
# arguments are go test's.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
MONEL_CUDA_INCLUDE=$(cuda_include)
MONEL_CUDA_OF_DEBIAN=$(cuda_library)
MONEL_IBVERBS_INCLUDE=$(ibverbs_include)
export MONEL_CUDA_INCLUDE MONEL_CUDA_OF_DEBIAN MONEL_IBVERBS_INCLUDE
if [ $# -gt 0 ] || [ -z "${CI:-}" ]; then
	exec go test -timeout "${TEST_TIMEOUT:-10m}" "$@" ./...
fi
# The engine's tests take longer than all others together, and one of them half of
# that time: by itself it keeps the second core busy.
alone=TestDeviceMatrix
go test -timeout 10m ./engine -run "^$alone\$" &
others=0
go test -timeout 10m -skip "^$alone\$" ./... || others=$?
wait $! && exit $others
