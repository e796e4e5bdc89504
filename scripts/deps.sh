#!/usr/bin/env bash
# Installs what the tests need besides Go: a C compiler for the race detector and
# the simulated CUDA driver, C++ compilers for its kernels and the real ones, the
# launchers of Open MPI and MPICH, qemu for machines with RDMA and for arm64, iproute2 for
# networks that can be cut, PyTorch, and git to see what generators changed; and
# fetches, without installing it, what the tests look at. Stages that go beside each other
# must find everything there: they cannot install at the same time.
set -euo pipefail
. "$(dirname "$0")/install.sh"
. "$(dirname "$0")/fetch.sh"
command -v go >/dev/null || fail "Go is missing: install the version in go.mod, or a newer one, from go.dev"
require gcc gcc
require g++ g++
# The compiler without its C library's headers builds nothing.
echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1 || { as_root apt-get update -qq && as_root apt-get install -y -qq libc6-dev >/dev/null; } ||
	fail "the C library's headers are missing: install libc6-dev"
require clang++-19 clang-19
require git git
require mpirun openmpi-bin
require mpirun.openmpi openmpi-bin
# The compiler's wrapper comes without the headers, too.
require mpicc.openmpi libopenmpi-dev
echo '#include <mpi.h>' | mpicc.openmpi -E - >/dev/null 2>&1 || { as_root apt-get update -qq && as_root apt-get install -y -qq libopenmpi-dev >/dev/null; } ||
	fail "Open MPI's headers are missing: install libopenmpi-dev"
require mpiexec.hydra mpich
cuda_include >/dev/null
cuda_library >/dev/null
ptxas >/dev/null
ibverbs_include >/dev/null
require qemu-system-x86_64 qemu-system-x86
require qemu-aarch64 qemu-user
require cpio cpio
require nm binutils
require_python numpy torch
require ip iproute2
require bridge iproute2
require tc iproute2
rdma_system >/dev/null
wheel nvidia-nccl-cu13 2.32.3 >/dev/null
wheel nvidia-nccl-cu12 2.18.3 >/dev/null
wheel nvidia-cuda-cccl-cu12 12.9.27 >/dev/null
