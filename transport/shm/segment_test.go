package shm

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestLayout pins what processes of different builds share.
func TestLayout(t *testing.T) {
	var c control
	var d cell
	for what, at := range map[string][2]uintptr{
		"nonce":           {unsafe.Offsetof(c.nonce), 8},
		"slotSize":        {unsafe.Offsetof(c.slotSize), 24},
		"slots":           {unsafe.Offsetof(c.slots), 28},
		"released":        {unsafe.Offsetof(c.released), 256},
		"receiverSleeps":  {unsafe.Offsetof(c.receiverSleeps), 384},
		"senderSleeps":    {unsafe.Offsetof(c.senderSleeps), 512},
		"cell.length":     {unsafe.Offsetof(d.length), 4},
		"cell.header":     {unsafe.Offsetof(d.header), 8},
		"cell.small":      {unsafe.Offsetof(d.small), 56},
		"size of a cell":  {unsafe.Sizeof(d), cellStride},
		"size of control": {unsafe.Sizeof(c), 640},
	} {
		require.Equal(t, at[1], at[0], what)
	}
	require.LessOrEqual(t, unsafe.Sizeof(c), uintptr(controlSize))
}

func TestGeometry(t *testing.T) {
	for _, g := range []geometry{{1, 2}, {64, 2}, {65, 3}, {DefaultSlotSize, DefaultSlots}, {MaxSlotSize, MaxSlots}, {100, MaxSlots}, {4096, 4}} {
		require.Equal(t, controlSize+cells*cellStride, g.notesAt(), g)
		require.Zero(t, g.noteSize()%line, g)
		require.GreaterOrEqual(t, g.slotsAt(), g.notesAt()+cells*g.noteSize(), g)
		require.LessOrEqual(t, cells*g.noteSize(), 2*g.slotSize, g)
		require.Zero(t, g.slotsAt()%pageSize, g)
		require.Zero(t, g.stride()%line, g)
		require.GreaterOrEqual(t, g.stride(), g.slotSize, g)
		require.GreaterOrEqual(t, g.size(), g.slotsAt()+g.slots*g.slotSize, g)
	}
	require.Equal(t, 1<<20+cells*mostNote+3*pageSize, geometry{DefaultSlotSize, DefaultSlots}.size())
	require.LessOrEqual(t, MaxSlots, cells)
}
