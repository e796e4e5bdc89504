//go:build cgo && linux

package main

import (
	"strconv"
	"strings"
)

// versionCode reads a version of NCCL, "2.19.3" or "21903", as NCCL_VERSION codes it:
// until 2.8 minor versions have one digit.
func versionCode(text string) (code int, ok bool) {
	parts := strings.Split(text, ".")
	numbers := make([]int, 3)
	if len(parts) > len(numbers) {
		return 0, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n > 1e6 {
			return 0, false
		}
		numbers[i] = n
	}
	switch major, minor, patch := numbers[0], numbers[1], numbers[2]; {
	case len(parts) == 1:
		return major, true
	case major <= 2 && minor <= 8:
		return major*1000 + minor*100 + patch, true
	default:
		return major*10000 + minor*100 + patch, true
	}
}
