// Package environ is the one table of the environment variables that Monel knows,
// and the way in which it reads them. What a variable is called, which values it
// takes, what it means and what is done without it stands in the table alone:
// readers ask for a variable by name and get a value that fits, and
// docs/environment.md is the table as a page.
//
// A variable may also stand in NCCL's configuration files; see Open. A value that
// cannot be read is reported and has no effect, since a typing error in one rank's
// environment should not end a job.
package environ

//go:generate go run ./gen -o ../../docs/environment.md
