// Package agree settles what happens when the ranks of a communicator do not
// call the same thing.
//
// Agreement itself costs nothing: every chunk carries its operation's sequence
// number and signature, and a rank compares them with its own before it uses
// the payload. Only the rank that sees a difference acts. It reports a dispute
// to the coordinator (rank 0) over the control plane; the coordinator polls
// every rank for its state in that operation and sends all of them one verdict:
//
//	dispute   member -> coordinator   "operation 7 does not fit, or takes too long"
//	poll      coordinator -> all      "what did you call as operation 7?"
//	state     member -> coordinator   "all_reduce float sum [4 4], walking 1,0; in it"
//	verdict   coordinator -> all      "walk all like this" | "mismatch: ..." | "timed out: ..."
//
// A rank that has answered a poll does not finish that operation before the
// verdict, so all ranks leave it together and their sequence numbers stay in
// step. Only if some rank had finished it before the poll (a broadcast's root,
// say) is the communicator unusable afterwards, and the verdict says so.
//
// Member and Coordinator are state machines without sockets: messages go out
// through a function and come in through Handle.
package agree
