// Package doctor looks at what a machine has for collectives, and says what is
// lacking and how to mend it: kernels for the processor, GPUs, network
// interfaces, RDMA devices and memory to share between processes.
package doctor
