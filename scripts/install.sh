# Sourced. require COMMAND PACKAGE makes sure that COMMAND is there, installs
# Debian's PACKAGE if it is not, and ends the script where it cannot.

fail() {
	echo "error: $*" >&2
	exit 1
}

# as_root COMMAND... runs a command as root.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@"
	else
		fail "this needs root or sudo: $*"
	fi
}

require() {
	local command=$1 package=$2
	if command -v "$command" >/dev/null; then
		return
	fi
	command -v apt-get >/dev/null || fail "$command is missing and there is no apt-get: install it ($package on Debian)"
	echo "installing $package for $command"
	if [ -z "${apt_updated:-}" ]; then
		as_root apt-get update -qq || fail "apt-get update failed; $command ($package) is needed"
		apt_updated=1
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
		fail "cannot install $package, which is needed for $command"
	command -v "$command" >/dev/null || fail "$package is installed and $command is still missing"
}

# require_python MODULE... makes sure that /usr/bin/python3 has Debian's modules.
require_python() {
	local module
	require python3 python3
	for module; do
		/usr/bin/python3 -c "import $module" 2>/dev/null && continue
		echo "installing python3-$module"
		as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends "python3-$module" >/dev/null ||
			fail "cannot install python3-$module"
	done
}
