//go:build noasm || !amd64

package kernel

import "unsafe"

// Moves have vector kernels on amd64 only.

func (m *matrix) transposeVector(int, int, bool) bool { return false }

func gatherVector(unsafe.Pointer, unsafe.Pointer, int, int, int64) int { return 0 }

func scatterVector(unsafe.Pointer, unsafe.Pointer, int, int, int64) int { return 0 }

func copyRowsVector(unsafe.Pointer, int64, unsafe.Pointer, int64, int, int, bool) bool { return false }
