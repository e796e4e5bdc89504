#!/usr/bin/env bash
# All tests. Those of the CUDA bindings look at NVIDIA's header and at Debian's
# driver library, and those of RDMA at libibverbs's header, which are fetched first;
# arguments are go test's, and PACKAGES says of which packages instead of all.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
MONEL_CUDA_INCLUDE=$(cuda_include)
MONEL_CUDA_OF_DEBIAN=$(cuda_library)
MONEL_IBVERBS_INCLUDE=$(ibverbs_include)
export MONEL_CUDA_INCLUDE MONEL_CUDA_OF_DEBIAN MONEL_IBVERBS_INCLUDE
if [ $# -gt 0 ] || [ -z "${CI:-}" ]; then
	# shellcheck disable=SC2086 # one word for each package
	exec go test -timeout "${TEST_TIMEOUT:-10m}" "$@" ${PACKAGES:-./...}
fi
# The engine's tests take longer than all others together, and one of them a good part of
# that time, most of which it waits for a simulated GPU: it goes beside the others. Vet
# has seen all packages in lint.
alone=TestDeviceMatrix
go test -vet=off -timeout 10m ./engine -run "^$alone\$" &
others=0
go test -vet=off -timeout 10m -skip "^$alone\$" ./... || others=$?
wait $! && exit $others
