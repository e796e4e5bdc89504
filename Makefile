# Nothing has to be built or installed to use Monel: it is a Go module. These
# targets measure and check it. `make` alone lists them.

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help bench bench-peers bench-openmpi bench-kernels test deps lint unit cuda-abi cudasim ptx kernels gpu generated cross arm64 launchers hosts test-rdma fuzz soak race libnccl libnccl-check libnccl-calls libnccl-overhead python python-torch2 install

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

bench: ## print verified tables of all_reduce and broadcast, contiguous and transposed (NP=2)
	@scripts/bench.sh

bench-kernels: ## the kernels beside memcpy, gcc and PyTorch
	@scripts/bench_kernels.sh

bench-peers: ## measure ours in turns with Open MPI, MPICH, Gloo and PyTorch (Debian; NP="2 4")
	@scripts/bench_peers.sh

# In the order in which mistakes are found soonest. With CI set, a test that lacks its
# tool fails instead of skipping. The tests go alone, since some of them lose ranks and
# look at when others notice. What follows goes two stages at a time, those that compute
# (cross, fuzz) beside those that wait or have one thread: most of what is raced waits.
# The virtual machines have a time limit, and so only the soak and the random calls beside
# them.
# Python's have no other beside them that listens on ports, since they scan all there are.
test: export CI = 1
test: ## everything that CI checks
	@scripts/stages.sh 1 deps lint generated libnccl unit
	@scripts/stages.sh 2 python cross
	@scripts/stages.sh 2 test-rdma soak libnccl-calls race fuzz arm64 libnccl-check kernels cudasim launchers hosts
	@echo "all checks passed"

deps: ## install what the checks need (Debian)
	@scripts/deps.sh

lint: ## gofmt, vet, staticcheck, tidy modules
	@scripts/lint.sh

unit: ## all tests
	@scripts/unit.sh

libnccl: ## build/libnccl.so.2, to swap in for NVIDIA's
	@scripts/build_libnccl.sh

libnccl-check: libnccl ## libnccl.so.2 against NVIDIA's header, library, and users
	@scripts/libnccl.sh

libnccl-calls: libnccl ## random calls of libnccl.so.2 under sanitizers, for CALLTIME (60) seconds each
	@scripts/libnccl_calls.sh

libnccl-overhead: libnccl ## what a call of libnccl.so.2 costs beside one of package engine
	@scripts/libnccl_overhead.sh

python: libnccl ## the Python package's tests
	@scripts/python.sh

python-torch2: libnccl ## the Python package's tests with a PyTorch 2 (Debian, root)
	@scripts/python_torch2.sh

install: libnccl ## libnccl.so.2, its headers and pkg-config file into PREFIX (/usr/local)
	@scripts/install_libnccl.sh $(or $(PREFIX),/usr/local)

cuda-abi: ## cudaffi agrees with NVIDIA's header (part of unit)
	@scripts/cuda_abi.sh

cudasim: ## the simulated CUDA driver under sanitizers and against NVIDIA's header
	@scripts/cudasim.sh

ptx: ## compile the CUDA kernels anew
	@scripts/ptx.sh

kernels: ## the CUDA kernels' PTX is up to date and assembles for every GPU
	@scripts/kernels.sh

bench-openmpi: ## one table of four collectives beside Open MPI, over TCP and shared memory (Debian)
	@scripts/bench_openmpi.sh

gpu: ## the programs of bench/gpu/run.sh, to take to a machine with GPUs
	@scripts/gpu_programs.sh

generated: ## generated files are up to date
	@scripts/generated.sh

cross: ## build and vet for the other platforms
	@scripts/cross.sh

arm64: ## the arm64 kernels under qemu
	@scripts/qemu.sh

launchers: ## the bench under mpirun, torchrun's and Slurm's environments
	@scripts/launchers.sh

hosts: ## several hosts: network namespaces, TCP between, one slow and lossy
	@scripts/hosts.sh

test-rdma: ## RDMA in virtual machines with Soft-RoCE
	@scripts/rdma.sh

fuzz: ## every fuzz target for FUZZTIME (5s)
	@scripts/fuzz.sh

soak: ## communicators come and go for SOAKTIME (2m), and nothing may be left of them
	@scripts/soak.sh

race: ## all tests with something to race under the race detector
	@scripts/race.sh
