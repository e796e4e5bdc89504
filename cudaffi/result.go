package cudaffi

// Result is what a function of the driver returns: a CUresult of cuda.h.
type Result int32

const (
	success             Result = 0
	invalidValue        Result = 1
	outOfMemory         Result = 2
	deinitialized       Result = 4
	stubLibrary         Result = 34
	deviceUnavailable   Result = 46
	noDevice            Result = 100
	invalidDevice       Result = 101
	invalidContext      Result = 201
	noBinaryForGPU      Result = 209
	eccUncorrectable    Result = 214
	nvlinkUncorrectable Result = 220
	invalidPTX          Result = 218
	compilerNotFound    Result = 221
	unsupportedPTX      Result = 222
	contained           Result = 226
	invalidHandle       Result = 400
	notFound            Result = 500
	notReady            Result = 600
	illegalAddress      Result = 700
	launchTimeout       Result = 702
	contextDestroyed    Result = 709
	assertion           Result = 710
	alreadyRegistered   Result = 712
	hardwareStack       Result = 714
	illegalInstruction  Result = 715
	misalignedAddress   Result = 716
	invalidAddressSpace Result = 717
	invalidPC           Result = 718
	launchFailed        Result = 719
	tensorMemoryLeak    Result = 721
	notSupported        Result = 801
	systemNotReady      Result = 802
	driverMismatch      Result = 803
	compatNotSupported  Result = 804
	mpsClientTerminated Result = 810
	captureUnsupported  Result = 900
	captureInvalidated  Result = 901
	captureMerge        Result = 902
	captureUnmatched    Result = 903
	captureUnjoined     Result = 904
	captureIsolation    Result = 905
	captureImplicit     Result = 906
	capturedEvent       Result = 907
	captureWrongThread  Result = 908
	externalDevice      Result = 911
	unknownError        Result = 999
)

// class is the sentinel that an error with this code wraps, if any.
func (r Result) class() error {
	switch r {
	case stubLibrary:
		return ErrNoCUDA
	case noDevice:
		return ErrNoDevice
	case unsupportedPTX, noBinaryForGPU, driverMismatch, compatNotSupported:
		return ErrOldDriver
	case invalidValue, invalidDevice:
		return ErrInvalidValue
	case outOfMemory:
		return ErrOutOfMemory
	case deinitialized, invalidContext, contextDestroyed:
		return ErrInvalidContext
	case invalidHandle:
		return ErrInvalidHandle
	case notFound:
		return ErrNotFound
	case invalidPTX:
		return ErrInvalidPTX
	case illegalAddress:
		return ErrIllegalAddress
	case notSupported:
		return ErrUnsupported
	case captureUnsupported, captureInvalidated, captureMerge, captureUnmatched, captureUnjoined, captureIsolation,
		captureImplicit, capturedEvent, captureWrongThread:
		return ErrCapture
	}
	return nil
}

// sticky reports whether the context is lost: after such an error every call in
// the context returns it again.
func (r Result) sticky() bool {
	switch r {
	case eccUncorrectable, nvlinkUncorrectable, contained, illegalAddress, launchTimeout, assertion, hardwareStack,
		illegalInstruction, misalignedAddress, invalidAddressSpace, invalidPC, launchFailed, tensorMemoryLeak,
		mpsClientTerminated, externalDevice:
		return true
	}
	return false
}

// hints say what to do about errors whose text does not.
var hints = map[Result]string{
	outOfMemory: "the GPU, or for pinned memory the host, has no memory left: use less, or end other processes (nvidia-smi lists them)",
	stubLibrary: "this libcuda is the CUDA toolkit's, for linking only: " +
		"take its folder (stubs) out of LD_LIBRARY_PATH, or name the driver's library in " + LibraryVariable,
	deviceUnavailable: "another process has the GPU for itself, or it is being reset: see the compute mode in nvidia-smi -q",
	noDevice: "the driver's library is there, but finds no GPU: does nvidia-smi list one, does CUDA_VISIBLE_DEVICES hide it, " +
		"is the kernel module loaded (lsmod | grep nvidia), may this user open /dev/nvidia*, and was the container started with --gpus?",
	noBinaryForGPU:   "the driver cannot make code for this GPU: install a newer one",
	compilerNotFound: "the driver's compiler is missing: install libnvidia-ptxjitcompiler.so.1 of the driver's own version",
	unsupportedPTX:   "the driver is too old for this code: install a newer one",
	illegalAddress: "a kernel touched memory that is not its own, perhaps freed meanwhile; " +
		"the GPU is lost to this process (compute-sanitizer finds the access)",
	alreadyRegistered: "this memory, or another part of one of its pages, is registered already",
	notSupported:      "this GPU, or the way in which it is virtualised, cannot do that",
	systemNotReady:    "the fabric manager is not ready: start nvidia-fabricmanager",
	driverMismatch: "the library and the kernel module are of different driver versions: " +
		"reboot after an update, or mount the host's library into the container",
	compatNotSupported: "this library of CUDA's forward compatibility package does not support this GPU: use the driver's own",
	captureUnsupported: "a CUDA graph is being captured, in which this call is not allowed",
	captureImplicit:    "a CUDA graph is being captured, which work on the legacy default stream would disturb",
	unknownError:       "the driver does not know either: dmesg may tell; is the module nvidia_uvm loaded, and may this user open /dev/nvidia-uvm?",
}
