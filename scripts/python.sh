#!/usr/bin/env bash
# The Python package's tests, on build/libnccl.so.2, with Debian's NumPy and PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
python=/usr/bin/python3
require_python numpy torch
export PYTHONPATH=$PWD/python PYTHONDONTWRITEBYTECODE=1 MONEL_LIBNCCL=$PWD/build/libnccl.so.2
for test in python/tests/test_*.py; do
	echo "== $test"
	timeout 200 $python -W ignore "$test"
done
echo "== devices, simulated"
MONEL_PYTHON=$python go test -count=1 -tags python ./python/tests
echo "== python/tests/catalogue.py"
timeout 300 $python -W ignore python/tests/catalogue.py
