package agree

import (
	"fmt"
	"strings"
)

// Convoy is the messages of a group to one rank, or from one.
type Convoy struct {
	From     bool // else to
	Rank     int
	Messages int
	Bytes    int64
}

// What the shape of a Call of Messages holds: totals, and the first convoys.
const (
	sent = iota
	sentBytes
	received
	receivedBytes
	firstConvoy
	convoyWords    = 3 // 2*rank, and 1 if from it; messages; bytes
	mostConvoys    = (maxDescribedDims - firstConvoy) / convoyWords
	wordsOfConvoys = firstConvoy + mostConvoys*convoyWords
)

// NewMessages describes the messages of a group. Of their convoys, those beyond the
// first few are described by their sums.
func NewMessages(convoys []Convoy) Call {
	c := Call{Kind: Messages, Root: int32(len(convoys))}
	h := mix(uint64(len(convoys)), uint64(Messages))
	for i, k := range convoys {
		id, totals := int64(2*k.Rank), c.shape[sent:]
		if k.From {
			id, totals = id+1, c.shape[received:]
		}
		totals[0] += int64(k.Messages)
		totals[1] += k.Bytes
		if i < mostConvoys {
			copy(c.shape[firstConvoy+i*convoyWords:], []int64{id, int64(k.Messages), k.Bytes})
		}
		h = mix(mix(mix(h, uint64(id)), uint64(k.Messages)), uint64(k.Bytes))
	}
	c.ndim = wordsOfConvoys
	c.Sig = h ^ h>>29
	return c
}

func (c *Call) describeMessages() string {
	if int(c.Root) > mostConvoys {
		return fmt.Sprintf("messages: %d to other ranks or itself (%d B), %d from them (%d B)",
			c.shape[sent], c.shape[sentBytes], c.shape[received], c.shape[receivedBytes])
	}
	var list []string
	for i := range c.Root {
		k := c.shape[firstConvoy+i*convoyWords:]
		list = append(list, fmt.Sprintf("%d %s rank %d (%d B)", k[1], [2]string{"to", "from"}[k[0]&1], k[0]/2, k[2]))
	}
	return "messages: " + strings.Join(list, ", ")
}
