#!/usr/bin/env bash
# Builds what bench/gpu/run.sh runs, for linux/amd64, into build/gpu, so that it can be
# taken to a machine that has GPUs and no Go; with NVIDIA's sanitizer, from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh
. scripts/fetch.sh
out=build/gpu
mkdir -p "$out"
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
go build -trimpath -ldflags="-s -w" -o "$out/bench" ./bench
for package in cudaffi cudaffi/kernels engine; do
	go test -trimpath -ldflags="-s -w" -c -o "$out/$(basename "$package").test" "./$package"
done
if [ -z "${WITHOUT_SANITIZER:-}" ]; then
	dir=$(wheel nvidia-cuda-sanitizer-api 13.5.25)
	mkdir -p "$out/sanitizer"
	find "$dir/nvidia/cu13/compute-sanitizer" -maxdepth 1 -type f -exec cp {} "$out/sanitizer" \;
	chmod +x "$out/sanitizer/compute-sanitizer" "$out"/sanitizer/Tree*
fi
# What Python needs there. The library is linked with this machine's C library, so it runs
# where that is as new.
if [ "$(uname -m)" = x86_64 ]; then
	scripts/build_libnccl.sh
	cp build/libnccl.so.2 "$out"
	rm -rf "$out/python" "$out/sections"
	mkdir -p "$out/python"
	cp -r python/monel "$out/python"
	cp -r bench/gpu/sections bench/gpu/*.py "$out"
	find "$out/python" "$out/sections" -name __pycache__ -prune -exec rm -rf {} +
else
	echo "libnccl.so.2 is left out: it can only be built on x86-64"
fi
cp bench/gpu/run.sh "$out"
du -sh "$out"
