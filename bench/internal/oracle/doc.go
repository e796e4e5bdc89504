// Package oracle says what a collective must yield. It knows nothing of the
// code under test: it has its own scalar arithmetic, its own idea of the float
// formats, and its own element order.
//
// Element i of a tensor belongs to one of Classes classes, picked by a hash of
// i and a seed; the input of rank r at i is a value made for (r, class). The
// expected result then depends on the class alone, is computed once per class
// by reducing the ranks' values one by one, and an element that landed in the
// wrong place is almost surely seen.
//
// All values are chosen such that every order of reduction gives the same,
// exactly representable result in the tensor's own type, however many ranks
// there are: sums and averages of integers that stay within the type's exact
// range, products of small powers of two, signs and one 3. So results are
// compared bit for bit, in every type, and no tolerance is needed.
package oracle
