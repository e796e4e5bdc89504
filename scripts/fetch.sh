# Sourced after install.sh. Fetches files that tests and checks look at, into a
# folder of the user's cache, once: NVIDIA's wheels from PyPI and Debian's
# packages, none of which is installed.

fetched=${XDG_CACHE_HOME:-$HOME/.cache}/monel

# wheel PACKAGE VERSION prints the folder that PyPI's package is unpacked in.
wheel() {
	local name=$1-$2 dir
	if [ ! -d "$fetched/$name" ]; then
		require python3 python3 >&2
		python3 -m pip --version >/dev/null 2>&1 || require pip3 python3-pip >&2
		echo "fetching $name from PyPI" >&2
		mkdir -p "$fetched"
		dir=$(mktemp -d "$fetched/half.XXXXXX")
		python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$dir" "$1==$2" >&2 &&
			python3 -m zipfile -e "$dir"/*.whl "$dir/files" &&
			keep "$dir" "$name" || abandon "$dir" "cannot fetch $name from PyPI"
	fi
	echo "$fetched/$name"
}

# debian PACKAGE COMPONENT prints the folder that Debian's package is unpacked
# in.
debian() { unpacked "debian-$1" "" "$2" "$1"; }

# unpacked NAME ARCHITECTURE COMPONENT PACKAGE... prints the folder that Debian's
# packages are unpacked in, for the given architecture or this machine's. A package
# without files, of which another one is the current version, stands for that. apt
# gets lists of its own for it, so the machine's sources stay as they are.
unpacked() {
	local name=$1 architecture=$2 component=$3 dir suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg package
	shift 3
	if [ ! -d "$fetched/$name" ]; then
		suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
		[ -f "$keyring" ] && [ -n "$suite" ] || fail "$* comes from Debian's archive, and this is not Debian"
		echo "fetching Debian's $*" >&2
		mkdir -p "$fetched"
		dir=$(mktemp -d "$fetched/half.XXXXXX")
		mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/files"
		printf 'deb [signed-by=%s] http://deb.debian.org/debian %s\n' "$keyring" "$suite $component" >"$dir/sources.list"
		local options=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=- -o APT::Sandbox::User=
			-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir")
		[ -z "$architecture" ] || options+=(-o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture")
		apt-get -qq "${options[@]}" update >&2 || abandon "$dir" "cannot read Debian's $suite $component"
		for package; do
			case $package in
			linux-image-*) package=$(apt-cache "${options[@]}" depends "$package" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }') ;;
			esac
			(cd "$dir" && apt-get -qq "${options[@]}" download "$package" >&2) || abandon "$dir" "cannot fetch $package from Debian's $suite $component"
		done
		for package in "$dir"/*.deb; do
			dpkg-deb -x "$package" "$dir/files" || abandon "$dir" "cannot unpack $package"
		done
		keep "$dir" "$name"
	fi
	echo "$fetched/$name"
}

# keep DIR NAME gives what is unpacked its name, unless another run was quicker.
keep() {
	mv -T "$1/files" "$fetched/$2" 2>/dev/null || [ -d "$fetched/$2" ] && rm -rf "$1"
}

abandon() {
	rm -rf "$1"
	fail "$2"
}

# cuda_include prints the folder of the CUDA driver's official header.
cuda_include() {
	local dir
	dir=$(wheel nvidia-cuda-runtime-cu12 12.9.79) || exit 1
	[ -f "$dir/nvidia/cuda_runtime/include/cuda.h" ] || fail "$dir has no cuda.h"
	echo "$dir/nvidia/cuda_runtime/include"
}

# cuda_ptxas prints the path of NVIDIA's assembler for PTX.
cuda_ptxas() {
	local dir
	dir=$(wheel nvidia-cuda-nvcc-cu12 12.9.86) || exit 1
	chmod +x "$dir/nvidia/cuda_nvcc/bin/ptxas"
	echo "$dir/nvidia/cuda_nvcc/bin/ptxas"
}

# cuda_library prints the path of Debian's libcuda.so.1, NVIDIA's own, which
# finds no GPU where there is none.
cuda_library() {
	local dir library
	dir=$(debian libcuda1 non-free) || exit 1
	library=$(find "$dir" -name libcuda.so.1 | head -1)
	[ -n "$library" ] || fail "$dir has no libcuda.so.1"
	echo "$library"
}

# ptxas prints the path of NVIDIA's assembler.
ptxas() {
	local dir
	dir=$(wheel nvidia-cuda-nvcc-cu12 12.9.86) || exit 1
	chmod +x "$dir/nvidia/cuda_nvcc/bin/ptxas" || fail "$dir has no ptxas"
	echo "$dir/nvidia/cuda_nvcc/bin/ptxas"
}

# ibverbs_include prints the folder of libibverbs's official header.
ibverbs_include() {
	local dir
	dir=$(debian libibverbs-dev main) || exit 1
	[ -f "$dir/usr/include/infiniband/verbs.h" ] || fail "$dir has no infiniband/verbs.h"
	echo "$dir/usr/include"
}

# rdma_system prints the folder of what the virtual machines of make test-rdma are
# made of: a kernel with Soft-RoCE, and the programs and libraries in them.
rdma_system() {
	unpacked debian-rdma-system amd64 main linux-image-amd64 busybox-static iproute2 libmnl0 libbsd0 libcap2 libmd0 \
		libc6 libibverbs1 ibverbs-providers libnl-3-200 libnl-route-3-200 \
		perftest libpci3 librdmacm1 libibumad3 libudev1 zlib1g
}
