// Package transport is the contract between the collective executor and the
// wires that carry its chunks: TCP, shared memory, RDMA, or goroutines of one
// process. A transport knows bytes and slots; it has never heard of a tensor.
//
// A Link is a directed, ordered, reliable stream of chunks from one rank to
// another. Its two ends are a Sender and a Receiver. Both are built of slots:
// fixed-size buffers owned by the transport, so that a wire which needs
// registered, pinned or shared memory can hand out exactly that.
//
//	slot, err := s.Acquire(ctx)      // wait for a free slot
//	n := fill(slot)
//	err = s.Commit(&header, n)       // give it to the wire
//
//	header, payload, err := r.Next(ctx) // wait for the oldest chunk
//	use(payload)
//	r.Release()                         // give its slot back
//
// # Waiting
//
// Acquire and Next look at their context only when they have to wait: what is
// at hand is returned whatever the state of the context. A wait that the
// context ends returns ctx.Err(), loses nothing, and leaves the link usable.
//
// # Failure
//
// When the peer is gone, whether its process died, its host became unreachable
// or it closed its mesh, both ends report a *RankError that names it and wraps
// ErrPeerLost. A receiver first delivers what a peer committed before an
// orderly Close. Bytes that no correct peer sends give a *RankError that wraps
// ErrProtocol. After this side's Close every call reports ErrClosed. These
// failures are final for the link: each later call reports one of them again.
package transport

import "context"

// HeaderSize is the number of bytes that travel with every chunk besides its
// payload. Their meaning belongs to the layer above.
const HeaderSize = 48

// Header is the layer above's label on a chunk. Its last HeaderRoom bytes are zero: they
// are for what protects chunks on their way, such as package guard.
type Header [HeaderSize]byte

// HeaderRoom is how many bytes of a header are not the layer above's.
const HeaderRoom = 4

// Sender is the sending end of a link. It is used by one goroutine at a time.
type Sender interface {
	// Acquire waits until a slot is free and returns its payload memory, whose
	// length is the mesh's slot size. Calling it again before Commit returns the
	// same slot. The content is undefined. It returns ctx.Err() when ctx ends
	// first, and leaves the link usable.
	Acquire(ctx context.Context) ([]byte, error)

	// Commit sends *h and the first n bytes of the acquired slot, 0 <= n <=
	// SlotSize, and never waits for the peer. *h is copied. The slot belongs to
	// the transport afterwards, also when an error is returned. A nil error says
	// that the chunk was taken, not that it arrived. Commit panics when no slot
	// is acquired or n is out of range.
	Commit(h *Header, n int) error
}

// Receiver is the receiving end of a link. It is used by one goroutine at a
// time.
type Receiver interface {
	// Next waits for the oldest chunk that has not been released and returns its
	// header and payload. Both stay valid until Release; calling Next again
	// before that returns the same chunk. It returns ctx.Err() when ctx ends
	// first, and leaves the link usable.
	Next(ctx context.Context) (*Header, []byte, error)

	// Release gives the current chunk's slot back to the sender. It panics
	// without a chunk returned by Next that has not been released. Releasing a
	// chunk after Close or a failure is harmless.
	Release()
}

// DirectSender is a Sender that can take a chunk from the caller's memory, which
// spares a copy into a slot.
type DirectSender interface {
	Sender

	// Send sends *h and the payload that pieces are, one after the other, as
	// Acquire and Commit with copies in between would, and waits as Acquire does.
	// Pieces may be empty, and there may be any number of them. They are the
	// caller's again when Send returns, and so is the slice that lists them. A slot
	// that is acquired is given up. Send panics when the payload is longer than one.
	Send(ctx context.Context, h *Header, pieces [][]byte) error

	// SendLater is Send of a chunk that may wait for others to go with it, since several
	// at once may go faster than one by one. It leaves when no slot is free, with the
	// next chunk of Send or Commit, or with Flush. The memory that pieces are stays as it
	// is until then; the slice that lists them is the caller's again at once.
	SendLater(ctx context.Context, h *Header, pieces [][]byte) error

	// Flush sends what waits, and does not wait itself. After SendLater it is called, or
	// Send or Commit are, before the caller waits for anything but this link; also when
	// that has failed. What was committed is then as safe as by Send, and the memory is
	// the caller's.
	Flush() error
}

// ShortSender is a Sender that can take a short chunk faster than through a slot.
type ShortSender interface {
	Sender

	// SendShort sends *h and a copy of the payload, as Acquire, a copy into the slot and
	// Commit would, and waits as Acquire does. A slot that is acquired is given up. It
	// panics when the payload is longer than one.
	SendShort(ctx context.Context, h *Header, payload []byte) error
}

// SlotWriter is a Sender that knows better than its caller how its slots are written,
// where their bytes lie in pieces.
type SlotWriter interface {
	Sender

	// Write makes pieces, one after the other, the content of the acquired slot, as far
	// as they go, and returns how many bytes they are. What the caller has written to
	// the slot, or writes afterwards, is lost. It panics when no slot is acquired or they
	// are more than it holds. Nothing is sent before Commit.
	Write(pieces [][]byte) int
}

// DirectReceiver is a Receiver that can put a chunk into the caller's memory,
// once the caller has seen the chunk's header.
type DirectReceiver interface {
	Receiver

	// Head waits, as Next does, for the header of the oldest chunk that has not
	// been released, and returns it with the length of the payload. Next and Fill
	// get the same chunk.
	Head(ctx context.Context) (*Header, int, error)

	// Fill waits for the payload of the chunk that Head has returned and spreads it
	// over pieces, in their order. Together they are as long, or Fill panics. All
	// that is left to do with the chunk then is to release it. After an error the
	// content of the pieces is undefined, and the chunk can still be had from Next.
	// Pieces may be empty, and there may be any number of them; they are the
	// caller's again when Fill returns, and so is the slice that lists them.
	Fill(ctx context.Context, pieces [][]byte) error
}

// Lender is a Sender that can have its wire read a chunk from the caller's memory
// after Lend has returned, if the memory was registered with the mesh.
type Lender interface {
	Sender

	// CanLend reports whether Lend can send the memory.
	CanLend(memory []byte) bool

	// Lend sends *h and the memory as a chunk, and waits as Acquire does. The memory
	// stays as it is until Settle, or until a chunk has come that the peer can only
	// have sent after it received this one. A slot that is acquired is given up. Lend
	// panics when the memory is longer than one. An error that wraps ErrInvalid says that
	// the memory is not registered any more, and nothing has happened.
	Lend(ctx context.Context, h *Header, memory []byte) error

	// Settle waits until no memory that was lent is read any more. If the link is of no
	// more use, it has the wire give up what is under way, and then returns why.
	Settle(ctx context.Context) error
}

// Registrar is a Mesh with Lenders among its senders.
type Registrar interface {
	// Register makes memory one that Lenders of the mesh can send, if it can and if it
	// is worth it, and remembers that for as long as it is safe to. The caller holds
	// on to the memory as to any other.
	Register(memory []byte)
}

// Keeper is a Mesh whose Lenders can send memory that its owner speaks for.
type Keeper interface {
	// Keep makes memory one that Lenders of the mesh can send until release, whatever
	// kind of memory it is. The owner leaves it mapped where it is until then. An error
	// that wraps ErrUnavailable says that it goes through slots as before; so it does if
	// release is nil.
	Keep(memory []byte) (release func() error, err error)
}

// DeviceMemory is an allocation of a GPU's memory.
type DeviceMemory struct {
	// PCI is the GPU's address on the bus, as sysfs has it: "0000:1b:00.0".
	PCI string
	// Buffer is a number that no other allocation of the process ever has.
	Buffer uint64
	// Base and Bytes say where it is, in the address space of the driver.
	Base  uint64
	Bytes int64
	// Export returns the descriptor of a dma-buf of n bytes at an address, both multiples
	// of the page size, which the caller closes. It is nil if the GPU has none.
	Export func(address uint64, n int64) (fd int, err error)
	// Current returns the number of the allocation that has an address now, 0 if none.
	Current func(address uint64) uint64
}

// DeviceRegistrar is a Mesh that may have DeviceLenders among its senders.
type DeviceRegistrar interface {
	// RegisterDevice makes an allocation one that DeviceLenders of the mesh can send,
	// until release. It remembers that, so the next time costs little. It returns nil if
	// that is not possible. Nothing but memory with the same Buffer is ever sent for it.
	RegisterDevice(m *DeviceMemory) (release func())
}

// DeviceLender is a Lender that can have its wire read a chunk from a GPU's memory.
type DeviceLender interface {
	Lender

	// CanLendDevice reports whether LendDevice can send n bytes at an address of an
	// allocation, which is registered and has not been released.
	CanLendDevice(buffer, address uint64, n int) bool

	// LendDevice is Lend for memory of a GPU. All work that writes it has been done.
	LendDevice(ctx context.Context, h *Header, buffer, address uint64, n int) error
}

// Mesh gives one rank its links to the others. Links are made on first use and
// live until Close. Its methods may be called from several goroutines.
type Mesh interface {
	// Name is the transport's name as users write it: "tcp", "shm", "inproc".
	Name() string

	// SlotSize is the number of payload bytes a slot holds; the same on every
	// rank.
	SlotSize() int

	// Slots is the least number of chunks that a link holds between a Commit
	// and the Release on the other side, at least 2: so many can be committed
	// without the peer doing anything, not even asking for its end of the link.
	// A link may hold more, up to a fixed bound.
	Slots() int

	// Sender returns the sending end of the link to peer on channel; the same
	// one every time. The peer obtains the other end with Receiver. ctx bounds
	// the making of the connection; Sender waits for the peer's host, never for
	// the peer to ask for its end. A peer that is this rank or does not exist, or
	// a negative channel, is an error that wraps ErrInvalid.
	Sender(ctx context.Context, peer, channel int) (Sender, error)

	// Receiver returns the receiving end of the link from peer on channel; the
	// same one every time. It does not wait for the peer, so that ranks may ask
	// for their ends in any order; the first Next does. Arguments as for Sender.
	Receiver(ctx context.Context, peer, channel int) (Receiver, error)

	// Close tears all links down, wakes whoever waits on them with ErrClosed,
	// and returns when no goroutine, descriptor or mapping of the mesh is left.
	// Chunks committed before Close are still delivered to a peer that reads
	// them within a short, bounded time. Closing again does nothing.
	//
	// Slot memory must not be touched once Close has begun: the caller first
	// makes sure that no goroutine is working on a slot. A goroutine that holds
	// a slot of one link and waits on another is fine as long as it drops the
	// slot when the wait returns ErrClosed.
	Close() error
}
