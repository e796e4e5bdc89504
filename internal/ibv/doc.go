// Package ibv calls libibverbs, the system's library for RDMA adapters, from
// pure Go. The library is loaded at run time, so programs start without it.
//
// What prepares (devices, registrations, queue pairs) are exported functions of
// the library. What moves data (post_send, post_recv, poll_cq, req_notify_cq) are
// inline functions in C, which call through a table in the device's context; so
// do those here, with arguments that are laid out once. Whatever the library is
// given addresses of lies outside Go's heap.
//
// The structures of abi.go are those of rdma-core's verbs.h, with which a test
// compares them.
package ibv
