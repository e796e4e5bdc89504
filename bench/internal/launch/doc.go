// Package launch runs the ranks of a job as processes of this machine: copies
// of one program that differ in their environment. When one fails, the others
// are stopped within a bounded time, and none outlives the launcher.
package launch
