// Package measure times and verifies collectives on one rank of a
// communicator. Every rank makes the same calls in the same order; what ranks
// must know of each other, they tell each other through the communicator
// itself.
package measure
