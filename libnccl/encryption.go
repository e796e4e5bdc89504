//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"sync/atomic"

	"github.com/monel-dev/monel/engine"
)

// key is what ncclSetEncryption has been given, for what is made from then on.
var key atomic.Pointer[[]byte]

// keyNow is the key, nil without encryption.
func keyNow() []byte {
	if k := key.Load(); k != nil {
		return *k
	}
	return nil
}

//export monelSetEncryption
func monelSetEncryption(mode C.int, psk *C.char) C.int {
	switch {
	case mode == C.NCCL_ENCRYPTION_MODE_NONE:
		key.Store(nil)
	case mode != C.NCCL_ENCRYPTION_MODE_PSK:
		return result(usage(engine.InvalidArgument, "ncclSetEncryption: there is no mode %d", int(mode)))
	case psk == nil || *psk == 0:
		return result(usage(engine.InvalidArgument, "ncclSetEncryption: NCCL_ENCRYPTION_MODE_PSK needs psk, which is empty"))
	default:
		k := []byte(C.GoString(psk))
		key.Store(&k)
	}
	return result(nil)
}

// newID makes an id, for ranks that have the key if there is one.
func newID() (engine.UniqueID, error) {
	if k := keyNow(); k != nil {
		return settings().NewKeyedUniqueID(k)
	}
	return engine.NewUniqueIDWith(settings())
}

// keyedIDs are the ids as ranks use them that have the key.
func keyedIDs(ids []engine.UniqueID) []engine.UniqueID {
	if k := keyNow(); k != nil {
		for i := range ids {
			ids[i] = ids[i].Keyed(k)
		}
	}
	return ids
}
