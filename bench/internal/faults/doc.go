// Package faults takes ranks away from jobs that run, and looks at what the others do
// about it. Agents are processes that are ranks, trial after trial; a campaign tells
// them what to do, kills, stops or cuts one of them off at a random moment, and judges
// what the survivors report: when they returned, whom they named, whether any value was
// wrong, what they left behind, and whether they could go on without the lost one.
//
// Mismatch has ranks disagree instead, and Soak has them work for long.
package faults
