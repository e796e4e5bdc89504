//go:build !unix

package launch

import "os"

const canAsk = false

var askToEnd = os.Kill
