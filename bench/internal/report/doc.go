// Package report writes what was measured: nccl-tests' table, JSON objects, and
// progress for whoever watches.
package report
