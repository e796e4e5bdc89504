#!/usr/bin/env bash
# Compiles the CUDA kernels to the PTX that is part of every program, with a
# compiler of one version, so that the same sources give the same files. An
# argument is the folder to put them in instead.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require clang++-19 clang-19
# No flag allows what would change bits: sums of products are not fused, nothing
# is flushed to zero, divisions are those of IEEE 754.
compile() {
	clang++-19 -x cuda --cuda-device-only --cuda-gpu-arch=sm_75 -nocudainc -nocudalib -std=c++17 -O3 \
		-ffp-contract=off -fno-gpu-flush-denormals-to-zero -fno-gpu-approx-transcendentals -fno-strict-aliasing \
		-Wall -Wextra -Werror -S cudaffi/kernels/kernels.cu "$@"
}
folder=${1:-cudaffi/kernels}
compile -o "$folder/kernels.ptx"
compile -DAGENT -o "$folder/agent.ptx"
