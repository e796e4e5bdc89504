// Package kernels holds the sources of what our kernels are compared with: the
// plain loops of a C programmer, and PyTorch's contiguous. They are built or
// interpreted when the bench runs; see ../../internal/yardstick.
package kernels

import _ "embed" // the sources travel in the bench command

// C is the source of the C loops.
//
//go:embed kernels.c
var C string

// Contiguous is the Python program that times PyTorch.
//
//go:embed contiguous.py
var Contiguous string
