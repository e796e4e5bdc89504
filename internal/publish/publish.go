// Package publish stores words that have one writer, for others to see soon.
//
// What was stored before a word is published is seen by whoever loads the word. So it is
// with a Store of sync/atomic, which on amd64 also waits until the store is visible: for
// as long as the line takes to come from another processor's cache, more than all the
// rest of a short chunk. Here nothing is waited for. The price is that a load that
// follows may come before: who publishes one word and then loads another that somebody
// else writes, who does it the other way round, may both miss what the other has
// written. The one that can afford it looks again after Settled.
package publish

import "time"

// Settled is after how long a published word is visible for certain. A processor gets
// its stores to the cache as soon as it has the line, whatever its thread does meanwhile,
// so a microsecond is long.
const Settled = time.Millisecond
