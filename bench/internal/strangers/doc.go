// Package strangers connects to the ports of a job that runs, as people do that have no
// business there: with garbage, with what they have recorded of other connections, byte
// by byte, or saying nothing. It looks at what the job makes of it: its results, its
// time and its memory.
package strangers
