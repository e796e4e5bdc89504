package tree

// Broadcast plans a broadcast of c.Count elements from c.Root for rank c.Rank.
//
// Every link of the tree carries one message per chunk, and one in all when
// there are no elements: a message's header is what the ranks agree by. A rank
// that hands chunks on need not wait until it has copied them to its
// destination.
//
// The root's steps only send. Where its destination is other memory than its
// source, filling it is left to the caller; so is everything in a world of one,
// whose plan has no steps.
//
// The error, if any, is a *ConfigError.
func Broadcast(c Config) (Plan, error) {
	p, err := newPlan(c)
	if err != nil {
		return Plan{}, err
	}
	switch {
	case p.parent < 0:
		p.action = Send
	case len(p.children) > 0:
		p.action = RecvCopySend
	default:
		p.action = RecvCopy
	}
	return p, nil
}
