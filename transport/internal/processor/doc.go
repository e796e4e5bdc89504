// Package processor is about where the threads of ranks that wait for each other
// run.
package processor
