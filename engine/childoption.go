package engine

// ChildOption is a property of a communicator that Split, Shrink or Grow makes, where it
// is to differ from the one that it is made of.
type ChildOption func(*childOptions)

type childOptions struct{ name string }

// Named gives a new communicator its Config.Name, which otherwise, or if it is empty, is
// the default. It should be the same on all its ranks. Where they are goroutines of a
// communicator made by NewLocal, that of the new one's rank 0 counts for all.
func Named(name string) ChildOption {
	return func(o *childOptions) { o.name = name }
}

func childOptionsOf(options []ChildOption) (o childOptions) {
	for _, option := range options {
		option(&o)
	}
	return o
}
