#!/usr/bin/env bash
# The Python package's tests, on build/libnccl.so.2, with Debian's NumPy and PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
python=/usr/bin/python3
for package in numpy torch; do
	$python -c "import $package" 2>/dev/null && continue
	echo "installing python3-$package"
	as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "python3-$package" >/dev/null ||
		fail "cannot install python3-$package"
done
export PYTHONPATH=$PWD/python PYTHONDONTWRITEBYTECODE=1 MONEL_LIBNCCL=$PWD/build/libnccl.so.2
for test in python/tests/test_*.py; do
	echo "== $test"
	timeout 200 $python -W ignore "$test"
done
echo "== devices, simulated"
MONEL_PYTHON=$python go test -count=1 -tags python ./python/tests
echo "== python/tests/catalogue.py"
timeout 300 $python -W ignore python/tests/catalogue.py
