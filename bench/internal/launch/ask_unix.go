//go:build unix

package launch

import "syscall"

// canAsk tells whether processes can be sent signals other than to kill them.
const canAsk = true

// askToEnd asks a process to end in good order.
const askToEnd = syscall.SIGTERM
