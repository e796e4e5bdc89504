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
# in. apt gets lists of its own for it, so the machine's sources stay as they are.
debian() {
	local name=debian-$1 dir suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	if [ ! -d "$fetched/$name" ]; then
		suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
		[ -f "$keyring" ] && [ -n "$suite" ] || fail "$1 comes from Debian's archive, and this is not Debian"
		echo "fetching Debian's $1" >&2
		mkdir -p "$fetched"
		dir=$(mktemp -d "$fetched/half.XXXXXX")
		mkdir -p "$dir/lists/partial" "$dir/archives/partial"
		echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite $2" >"$dir/sources.list"
		local apt=(apt-get -qq -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=- -o APT::Sandbox::User=
			-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir")
		"${apt[@]}" update >&2 && (cd "$dir" && "${apt[@]}" download "$1" >&2) &&
			dpkg-deb -x "$dir/$1"_*.deb "$dir/files" &&
			keep "$dir" "$name" || abandon "$dir" "cannot fetch $1 from Debian's $suite $2"
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
