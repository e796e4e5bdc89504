package layouts

// Name is a way for a tensor to lie in memory, as users of the bench write it.
type Name string

// The layouts.
const (
	// Contiguous is row-major order without gaps.
	Contiguous Name = "contiguous"
	// Transpose is row-major order of the shape with its last two dimensions
	// exchanged: x.transpose(-2, -1) of a contiguous tensor.
	Transpose Name = "transpose"
	// ChannelsLast is an NCHW shape stored as NHWC.
	ChannelsLast Name = "channels_last"
	// Slice is a window on the columns of a wider matrix: a gap after every row.
	Slice Name = "slice"
	// Column is one column of a matrix: a gap after every element.
	Column Name = "column"
	// Reverse is contiguous memory read backwards: every stride is negative.
	Reverse Name = "reverse"
	// Mixed gives each rank another of the layouts above, in their order, round
	// robin. All ranks have the same shape.
	Mixed Name = "mixed"
)

// Names lists the layouts in the order that Mixed deals them, Mixed last.
func Names() []Name {
	return append(pure(), Mixed)
}

func pure() []Name {
	return []Name{Contiguous, Transpose, ChannelsLast, Slice, Column, Reverse}
}

// OnRank is the layout that rank has: the name itself, unless it is Mixed.
func (n Name) OnRank(rank int) Name {
	if n != Mixed {
		return n
	}
	all := pure()
	return all[rank%len(all)]
}
