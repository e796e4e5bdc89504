package dtype

import "fmt"

// Op is a reduction operator. Its values equal ncclRedOp_t.
type Op uint8

// The reduction operators. Avg is Sum followed, once, on the last hop, by a
// division by the number of ranks.
const (
	Sum Op = iota
	Prod
	Max
	Min
	Avg
	numOps
)

var opNames = [numOps]string{Sum: "sum", Prod: "prod", Max: "max", Min: "min", Avg: "avg"}

// Valid reports whether o is one of the operators above.
func (o Op) Valid() bool { return o < numOps }

// String is the operator's name as nccl-tests prints it.
func (o Op) String() string {
	if !o.Valid() {
		return fmt.Sprintf("op(%d)", uint8(o))
	}
	return opNames[o]
}

// Ops lists every operator in the order of its id.
func Ops() []Op {
	all := make([]Op, numOps)
	for i := range all {
		all[i] = Op(i)
	}
	return all
}
