package strided

// verdict is the outcome of a bounded search.
type verdict int

const (
	none    verdict = iota // there is no solution
	found                  // there is one
	unknown                // the search gave up
)

// searchBudget bounds the nodes that the searches for one answer may visit.
// Layouts made by slicing, permuting, stepping and reversing need a handful; the
// budget, some tens of milliseconds, is for adversarial strides, for which the
// problem is NP-hard.
const searchBudget = 1 << 18

// equation is the question whether a[0]*x[0] + a[1]*x[1] + … = target has a
// solution in integers 0 <= x[i] <= u[i]. Coefficients are positive.
type equation struct {
	n      int
	a, u   [2*MaxDims + 2]int64
	target int64

	reach  [2*MaxDims + 3]int64 // reach[i]: greatest value of the terms from i on
	common [2*MaxDims + 3]int64 // common[i]: their coefficients' gcd
	budget int                  // nodes left to visit
}

// term adds a variable. The terms' greatest sum must fit an int64.
func (e *equation) term(a, u int64) {
	if u == 0 {
		return
	}
	e.a[e.n], e.u[e.n] = a, u
	e.n++
}

// solve searches for a solution, the variable with the greatest coefficient
// first. What the others can reach bounds it to an interval, and their gcd to a
// residue class; with two variables left, that already decides.
func (e *equation) solve() verdict {
	e.sortAndMerge()
	e.reach[e.n], e.common[e.n] = 0, 0
	for i := e.n - 1; i >= 0; i-- {
		e.reach[i] = e.reach[i+1] + e.a[i]*e.u[i]
		e.common[i] = gcd(e.a[i], e.common[i+1])
	}
	return e.search(0, e.target)
}

// sortAndMerge sorts by falling coefficient and joins equal ones.
func (e *equation) sortAndMerge() {
	for i := 1; i < e.n; i++ {
		a, u := e.a[i], e.u[i]
		j := i
		for ; j > 0 && e.a[j-1] < a; j-- {
			e.a[j], e.u[j] = e.a[j-1], e.u[j-1]
		}
		e.a[j], e.u[j] = a, u
	}
	k := 0
	for i := range e.n {
		if k > 0 && e.a[k-1] == e.a[i] {
			e.u[k-1] += e.u[i]
			continue
		}
		e.a[k], e.u[k] = e.a[i], e.u[i]
		k++
	}
	e.n = k
}

func (e *equation) search(i int, rest int64) verdict {
	if rest == 0 {
		return found // all remaining variables 0
	}
	if i == e.n || rest < 0 || rest > e.reach[i] || rest%e.common[i] != 0 {
		return none
	}
	a := e.a[i]
	if i == e.n-1 {
		return found // a divides rest, and rest <= a*u
	}
	if e.budget--; e.budget < 0 {
		return unknown
	}
	// a*x = rest modulo the gcd of the later terms, so x = x0 modulo step.
	later := e.common[i+1]
	shared := gcd(a, later)
	step := later / shared
	x0 := int64(0)
	if step > 1 {
		x0 = mulMod(rest/shared%step, inverse(a/shared%step, step), step)
	}
	hi := min(e.u[i], rest/a)
	lo := int64(0)
	if over := rest - e.reach[i+1]; over > 0 {
		lo = (over + a - 1) / a
	}
	if lo > hi {
		return none
	}
	x := hi - (hi%step+step-x0)%step // the greatest one of the class up to hi
	if i == e.n-2 {
		// The last variable takes the rest: it divides it and reaches it.
		if x >= lo {
			return found
		}
		return none
	}
	for ; x >= lo; x -= step {
		if v := e.search(i+1, rest-a*x); v != none {
			return v
		}
	}
	return none
}
