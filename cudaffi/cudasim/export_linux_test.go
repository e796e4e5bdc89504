package cudasim

// KernelFlags are the compiler's for the kernels.
var KernelFlags = kernelFlags
