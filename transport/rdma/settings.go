package rdma

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Settings choose ports and say how they are used. The zero value of each means
// its default.
type Settings struct {
	// Disabled: RDMA is not used.
	Disabled bool

	// HCA selects ports in the syntax of NCCL_IB_HCA: names of devices, each with
	// ":port" behind it or for all its ports, separated by commas. They are
	// prefixes; "=" in front asks for whole names, "^" for all but those. A rail and a
	// plane that follow the port, name:port:rail:plane, which may be empty, say nothing
	// here; a port that is no number is none's.
	HCA string

	// GIDIndex is the entry of the port's GID table to use, nil for the best: on
	// Ethernet one of RoCE v2 with an IPv4 address, else one with an IPv6 address.
	GIDIndex *int

	// TrafficClass and ServiceLevel go into the packets.
	TrafficClass, ServiceLevel int

	// Timeout is the exponent of the time after which a message that was not
	// acknowledged is sent again, 4.096 µs times 2 to its power: DefaultTimeout by
	// default, at most 31; negative, for NCCL's 0, it is never sent again. Retries is how
	// often that happens before the link has failed: DefaultRetries by default, at most
	// 7, none if it is negative.
	Timeout, Retries int

	// QPs is the number of queue pairs of a link on each port, 1 by default; its
	// chunks take them in turns.
	QPs int

	// DirectWithin is the greatest distance between a GPU and an adapter that reads its
	// memory directly: PXB by default, LOC for never.
	DirectWithin Distance

	// CopyGPU: memory of GPUs goes through the host's in any case. NoDMABuf: adapters
	// get at it by the kernel's module for peer memory alone.
	CopyGPU, NoDMABuf bool

	// Rails is the number of ports that each link uses, 1 by default. Ranks of one
	// machine begin with different ones.
	Rails int
}

// The defaults of Settings, and their bounds.
const (
	DefaultTimeout = 18 // 1.07 s
	DefaultRetries = 7
	MaxQPs         = 16
	MaxRails       = 4
)

// FromEnv reads NCCL's variables:
//
//	NCCL_IB_DISABLE             Disabled, if it is 1
//	NCCL_IB_HCA                 HCA
//	NCCL_IB_GID_INDEX           GIDIndex; a negative number means the best
//	NCCL_IB_TC, NCCL_IB_SL      TrafficClass, ServiceLevel
//	NCCL_IB_TIMEOUT             Timeout, negative for 0
//	NCCL_IB_RETRY_CNT           Retries, negative for 0
//	NCCL_IB_QPS_PER_CONNECTION  QPs
//	MONEL_IB_RAILS              Rails
//	NCCL_NET_GDR_LEVEL          DirectWithin
//	NCCL_NET_GDR_READ           CopyGPU, if it is 0
//	NCCL_DMABUF_ENABLE          NoDMABuf, if it is 0
//
// What is not a number of the range is ignored.
func FromEnv(getenv func(string) string) Settings {
	number := func(name string, most int) int {
		n, err := strconv.ParseInt(strings.TrimSpace(getenv(name)), 0, 64)
		if err != nil || n < 0 || n > int64(most) {
			return 0
		}
		return int(n)
	}
	isZero := func(name string) bool {
		n, err := strconv.ParseInt(strings.TrimSpace(getenv(name)), 0, 64)
		return err == nil && n == 0
	}
	orNone := func(name string, most int) int {
		if isZero(name) {
			return -1
		}
		return number(name, most)
	}
	s := Settings{
		Disabled:     number("NCCL_IB_DISABLE", math.MaxInt32) != 0,
		HCA:          strings.TrimSpace(getenv("NCCL_IB_HCA")),
		TrafficClass: number("NCCL_IB_TC", 255),
		ServiceLevel: number("NCCL_IB_SL", 15),
		Timeout:      orNone("NCCL_IB_TIMEOUT", 31),
		Retries:      orNone("NCCL_IB_RETRY_CNT", 7),
		QPs:          number("NCCL_IB_QPS_PER_CONNECTION", MaxQPs),
		Rails:        number("MONEL_IB_RAILS", MaxRails),
		DirectWithin: distanceNamed(strings.TrimSpace(getenv("NCCL_NET_GDR_LEVEL"))),
	}
	s.CopyGPU, s.NoDMABuf = isZero("NCCL_NET_GDR_READ"), isZero("NCCL_DMABUF_ENABLE")
	if n, err := strconv.ParseInt(strings.TrimSpace(getenv("NCCL_IB_GID_INDEX")), 0, 64); err == nil && n >= 0 && n < 256 {
		index := int(n)
		s.GIDIndex = &index
	}
	return s
}

func (s *Settings) fill() {
	for _, d := range []struct {
		field *int
		value int
	}{{&s.Timeout, DefaultTimeout}, {&s.Retries, DefaultRetries}, {&s.QPs, 1}, {&s.Rails, 1}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if s.DirectWithin == 0 {
		s.DirectWithin = PXB
	}
}

// attributeOf is a setting as adapters take it, whose 0 is ours below 0.
func attributeOf(setting int) int { return max(setting, 0) }

// repeatTime is after which time an adapter sends again what was not acknowledged, at
// least. They take the exponent for a hint, and up to four times as long.
func (s *Settings) repeatTime() time.Duration {
	if s.Timeout < 0 {
		return 0 // they never do
	}
	return 4096 * time.Nanosecond << s.Timeout
}

func (s *Settings) check() error {
	for _, f := range []struct {
		name              string
		value, from, most int
	}{
		{"TrafficClass", s.TrafficClass, 0, 255}, {"ServiceLevel", s.ServiceLevel, 0, 15}, {"Timeout", s.Timeout, -1, 31},
		{"Retries", s.Retries, -1, 7}, {"QPs", s.QPs, 1, MaxQPs}, {"Rails", s.Rails, 1, MaxRails},
	} {
		if f.value < f.from || f.value > f.most {
			return fmt.Errorf("rdma: %w: %s is %d, possible are %d to %d", transport.ErrInvalid, f.name, f.value, f.from, f.most)
		}
	}
	return nil
}

// matches reports whether HCA selects a port.
func (s *Settings) matches(device string, port int) bool {
	list := s.HCA
	if list == "" {
		return true
	}
	list, except := strings.CutPrefix(list, "^")
	list, whole := strings.CutPrefix(list, "=")
	for _, item := range strings.Split(list, ",") {
		// What follows the port, a rail and a plane, is about NCCL's topology.
		name, rest, _ := strings.Cut(strings.TrimSpace(item), ":")
		number, _, _ := strings.Cut(rest, ":")
		if name == "" || number != "" && !isNumber(number, port) {
			continue
		}
		if device == name || !whole && strings.HasPrefix(device, name) {
			return !except
		}
	}
	return except
}

func isNumber(text string, n int) bool {
	got, err := strconv.Atoi(text)
	return err == nil && got == n
}
