package tcp_test

import "syscall"

func descriptor(fd uintptr) syscall.Handle { return syscall.Handle(fd) }
