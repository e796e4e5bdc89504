//go:build unix

package launch

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner demands that info is this user's, and that nobody else may use it.
func checkOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%w: its owner cannot be found out", ErrUnsafe)
	}
	if int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%w: it belongs to user %d", ErrUnsafe, st.Uid)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%w: its mode is %#o, so others can use it", ErrUnsafe, perm)
	}
	return nil
}
