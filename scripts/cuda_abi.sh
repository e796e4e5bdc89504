#!/usr/bin/env bash
# Compares every number, size and signature of the CUDA driver that cudaffi
# relies on with NVIDIA's own header, in a C program that cudaffi's test writes
# from cudaffi's tables. It is part of the unit tests, too.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
require cc gcc
MONEL_CUDA_INCLUDE=$(cuda_include)
export MONEL_CUDA_INCLUDE
CI=1 go test -count=1 -v -run '^TestABI' ./cudaffi
