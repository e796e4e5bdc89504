#!/usr/bin/env bash
# Measures the kernels of this machine beside memcpy, gcc's loops and PyTorch on
# one thread. FLAGS are further flags of bench kernels.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require gcc gcc
if ! /usr/bin/python3 -c 'import torch' 2>/dev/null; then
	echo "installing python3-torch"
	as_root apt-get update -qq || fail "apt-get update failed; python3-torch is needed"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-torch python3-numpy >/dev/null ||
		fail "cannot install python3-torch"
fi
read -ra flags <<<"${FLAGS:-}"
CGO_ENABLED=0 go run ./bench kernels --peers gcc,torch "${flags[@]}"
