// Package regroup brings ranks of a communicator together that want to make another
// one: without the communicator's control plane, since that may have failed, and among
// some of the ranks only, since others may be dead.
//
// All ranks of a meeting go to the same one of them, its leader, and say what they
// call. When all have come and called the same, the leader decides and gives each its
// answer. When one has called something else, all get the same error; so they do when
// one is found dead or does not come in time.
//
// Ranks that have different opinions about who takes part may have different opinions
// about who leads. So whoever thinks that ranks below its leader do not take part tells
// them so: if one of them does, it finds out. Of all ranks that anybody takes for the
// leader, the lowest that takes part hears of everybody in this way.
//
// A Hall is a rank's place for meetings. It has never heard of a socket: proposals come
// in through Arrive, and answers go out through the Visits.
package regroup
