// Package memory holds the bench's tensors: it allocates their storage, fills
// them, and compares them with what the oracle expects. It walks storage with
// its own odometer, not with the code under test.
package memory
