// Package cli reads the command line of the bench command: nccl-tests' flags,
// written as nccl-tests' users type them, and Monel's own.
package cli
