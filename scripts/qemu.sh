#!/usr/bin/env bash
# Runs the arm64 kernels' tests on whatever machine this is, under qemu's
# emulation of the instructions: cross building alone executes none of them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
require qemu-aarch64 qemu-user
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for package in strided/dtype strided/internal/kernel; do
	echo "== $package"
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go test -c -o "$dir/test" "./$package"
	# From the package's folder, where go test would run it.
	(cd "$package" && qemu-aarch64 "$dir/test" -test.short -test.timeout "${QEMU_TIMEOUT:-2m}")
done
