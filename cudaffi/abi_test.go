package cudaffi

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inHeader are the constants of this package that cuda.h has, too, and their
// names there.
var inHeader = map[string]string{
	"success": "CUDA_SUCCESS", "invalidValue": "CUDA_ERROR_INVALID_VALUE", "outOfMemory": "CUDA_ERROR_OUT_OF_MEMORY",
	"deinitialized": "CUDA_ERROR_DEINITIALIZED", "stubLibrary": "CUDA_ERROR_STUB_LIBRARY",
	"deviceUnavailable": "CUDA_ERROR_DEVICE_UNAVAILABLE", "noDevice": "CUDA_ERROR_NO_DEVICE",
	"invalidDevice": "CUDA_ERROR_INVALID_DEVICE", "invalidContext": "CUDA_ERROR_INVALID_CONTEXT",
	"noBinaryForGPU": "CUDA_ERROR_NO_BINARY_FOR_GPU", "eccUncorrectable": "CUDA_ERROR_ECC_UNCORRECTABLE",
	"nvlinkUncorrectable": "CUDA_ERROR_NVLINK_UNCORRECTABLE", "invalidPTX": "CUDA_ERROR_INVALID_PTX",
	"compilerNotFound": "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "unsupportedPTX": "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
	"contained": "CUDA_ERROR_CONTAINED", "invalidHandle": "CUDA_ERROR_INVALID_HANDLE", "notFound": "CUDA_ERROR_NOT_FOUND",
	"notReady": "CUDA_ERROR_NOT_READY", "illegalAddress": "CUDA_ERROR_ILLEGAL_ADDRESS",
	"launchTimeout": "CUDA_ERROR_LAUNCH_TIMEOUT", "contextDestroyed": "CUDA_ERROR_CONTEXT_IS_DESTROYED",
	"assertion": "CUDA_ERROR_ASSERT", "alreadyRegistered": "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
	"hardwareStack": "CUDA_ERROR_HARDWARE_STACK_ERROR", "illegalInstruction": "CUDA_ERROR_ILLEGAL_INSTRUCTION",
	"misalignedAddress": "CUDA_ERROR_MISALIGNED_ADDRESS", "invalidAddressSpace": "CUDA_ERROR_INVALID_ADDRESS_SPACE",
	"invalidPC": "CUDA_ERROR_INVALID_PC", "launchFailed": "CUDA_ERROR_LAUNCH_FAILED",
	"tensorMemoryLeak": "CUDA_ERROR_TENSOR_MEMORY_LEAK", "notSupported": "CUDA_ERROR_NOT_SUPPORTED",
	"systemNotReady": "CUDA_ERROR_SYSTEM_NOT_READY", "driverMismatch": "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
	"compatNotSupported":   "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
	"mpsClientTerminated":  "CUDA_ERROR_MPS_CLIENT_TERMINATED",
	"captureUnsupported":   "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
	"captureInvalidated":   "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
	"captureMerge":         "CUDA_ERROR_STREAM_CAPTURE_MERGE",
	"captureUnmatched":     "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
	"captureUnjoined":      "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
	"captureIsolation":     "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
	"captureImplicit":      "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
	"capturedEvent":        "CUDA_ERROR_CAPTURED_EVENT",
	"captureWrongThread":   "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
	"externalDevice":       "CUDA_ERROR_EXTERNAL_DEVICE",
	"unknownError":         "CUDA_ERROR_UNKNOWN",
	"captureRelaxed":       "CU_STREAM_CAPTURE_MODE_RELAXED",
	"captureNone":          "CU_STREAM_CAPTURE_STATUS_NONE",
	"eventDefault":         "CU_EVENT_DEFAULT",
	"eventDisableTiming":   "CU_EVENT_DISABLE_TIMING",
	"hostPortable":         "CU_MEMHOSTREGISTER_PORTABLE",
	"hostDeviceMap":        "CU_MEMHOSTREGISTER_DEVICEMAP",
	"ipcLazyPeerAccess":    "CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS",
	"jitInfoLog":           "CU_JIT_INFO_LOG_BUFFER",
	"jitInfoLogSize":       "CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES",
	"jitErrorLog":          "CU_JIT_ERROR_LOG_BUFFER",
	"jitErrorLogSize":      "CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES",
	"legacyStream":         "CU_GET_PROC_ADDRESS_LEGACY_STREAM",
	"memoryTypeHost":       "CU_MEMORYTYPE_HOST",
	"memoryTypeDevice":     "CU_MEMORYTYPE_DEVICE",
	"pointerContext":       "CU_POINTER_ATTRIBUTE_CONTEXT",
	"pointerMemoryType":    "CU_POINTER_ATTRIBUTE_MEMORY_TYPE",
	"pointerBufferID":      "CU_POINTER_ATTRIBUTE_BUFFER_ID",
	"pointerRangeStart":    "CU_POINTER_ATTRIBUTE_RANGE_START_ADDR",
	"pointerRangeSize":     "CU_POINTER_ATTRIBUTE_RANGE_SIZE",
	"rangeHandleDMABuf":    "CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD",
	"pointerIsManaged":     "CU_POINTER_ATTRIBUTE_IS_MANAGED",
	"pointerDeviceOrdinal": "CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL",
	"streamNonBlocking":    "CU_STREAM_NON_BLOCKING",
	"StreamLegacy":         "(uintptr_t)CU_STREAM_LEGACY",
	"StreamPerThread":      "(uintptr_t)CU_STREAM_PER_THREAD",
	"waitValueGEQ":         "CU_STREAM_WAIT_VALUE_GEQ",
	"writeValueDefault":    "CU_STREAM_WRITE_VALUE_DEFAULT",

	"AttributeMultiprocessors":          "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT",
	"AttributeIntegrated":               "CU_DEVICE_ATTRIBUTE_INTEGRATED",
	"AttributeThreadsPerMultiprocessor": "CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR",
	"AttributeCopyEngines":              "CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT",
	"AttributeUnifiedAddressing":        "CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING",
	"AttributeHostRegister":             "CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED",
	"AttributeDMABuf":                   "CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED",
	"attributeMajor":                    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR",
	"attributeMinor":                    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR",
	"attributeStreamValuesV1":           "CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1",
	"attributeStreamValues64":           "CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS",

	"FunctionMaxThreads":  "CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK",
	"FunctionSharedBytes": "CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES",
	"FunctionLocalBytes":  "CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES",
	"FunctionRegisters":   "CU_FUNC_ATTRIBUTE_NUM_REGS",
}

// notInHeader are the constants that are this package's alone.
var notInHeader = []string{
	"LibraryVariable", "channelsVariable", "mostChannels", "MinVersion", "maxParams", "supported", "PriorityDefault", "PriorityHighest",
	"MemoryUnregistered", "MemoryHost", "MemoryDevice", "MemoryManaged",
}

// prototypes are the parameters that the driver's functions are called with.
var prototypes = [symbolCount]string{
	cuInit:                            "unsigned int",
	cuDriverGetVersion:                "int *",
	cuGetErrorName:                    "CUresult, const char **",
	cuGetErrorString:                  "CUresult, const char **",
	cuDeviceGetCount:                  "int *",
	cuDeviceGet:                       "CUdevice *, int",
	cuDeviceGetName:                   "char *, int, CUdevice",
	cuDeviceTotalMem:                  "size_t *, CUdevice",
	cuDeviceGetAttribute:              "int *, CUdevice_attribute, CUdevice",
	cuDeviceGetUuid:                   "CUuuid *, CUdevice",
	cuDeviceGetPCIBusId:               "char *, int, CUdevice",
	cuDevicePrimaryCtxRetain:          "CUcontext *, CUdevice",
	cuDevicePrimaryCtxRelease:         "CUdevice",
	cuCtxGetCurrent:                   "CUcontext *",
	cuCtxPushCurrent:                  "CUcontext",
	cuCtxPopCurrent:                   "CUcontext *",
	cuCtxSynchronize:                  "void",
	cuCtxGetStreamPriorityRange:       "int *, int *",
	cuThreadExchangeStreamCaptureMode: "CUstreamCaptureMode *",
	cuMemAlloc:                        "CUdeviceptr *, size_t",
	cuMemFree:                         "CUdeviceptr",
	cuMemGetAddressRange:              "CUdeviceptr *, size_t *, CUdeviceptr",
	cuMemGetHandleForAddressRange:     "void *, CUdeviceptr, size_t, CUmemRangeHandleType, unsigned long long",
	cuMemHostAlloc:                    "void **, size_t, unsigned int",
	cuMemFreeHost:                     "void *",
	cuMemHostRegister:                 "void *, size_t, unsigned int",
	cuMemHostUnregister:               "void *",
	cuMemHostGetDevicePointer:         "CUdeviceptr *, void *, unsigned int",
	cuMemcpyAsync:                     "CUdeviceptr, CUdeviceptr, size_t, CUstream",
	cuMemcpyHtoD:                      "CUdeviceptr, const void *, size_t",
	cuMemcpyDtoH:                      "void *, CUdeviceptr, size_t",
	cuMemsetD8Async:                   "CUdeviceptr, unsigned char, size_t, CUstream",
	cuPointerGetAttributes:            "unsigned int, CUpointer_attribute *, void **, CUdeviceptr",
	cuStreamCreateWithPriority:        "CUstream *, unsigned int, int",
	cuStreamDestroy:                   "CUstream",
	cuStreamQuery:                     "CUstream",
	cuStreamSynchronize:               "CUstream",
	cuStreamWaitEvent:                 "CUstream, CUevent, unsigned int",
	cuStreamIsCapturing:               "CUstream, CUstreamCaptureStatus *",
	cuStreamGetPriority:               "CUstream, int *",
	cuStreamWaitValue32:               "CUstream, CUdeviceptr, cuuint32_t, unsigned int",
	cuStreamWriteValue32:              "CUstream, CUdeviceptr, cuuint32_t, unsigned int",
	cuStreamWaitValue32V1:             "CUstream, CUdeviceptr, cuuint32_t, unsigned int",
	cuStreamWriteValue32V1:            "CUstream, CUdeviceptr, cuuint32_t, unsigned int",
	cuEventCreate:                     "CUevent *, unsigned int",
	cuEventDestroy:                    "CUevent",
	cuEventRecord:                     "CUevent, CUstream",
	cuEventQuery:                      "CUevent",
	cuEventSynchronize:                "CUevent",
	cuEventElapsedTime:                "float *, CUevent, CUevent",
	cuModuleLoadDataEx:                "CUmodule *, const void *, unsigned int, CUjit_option *, void **",
	cuModuleUnload:                    "CUmodule",
	cuModuleGetFunction:               "CUfunction *, CUmodule, const char *",
	cuFuncLoad:                        "CUfunction",
	cuFuncGetAttribute:                "int *, CUfunction_attribute, CUfunction",
	cuLaunchKernel: "CUfunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, " +
		"unsigned int, CUstream, void **, void **",
	cuIpcGetMemHandle:   "CUipcMemHandle *, CUdeviceptr",
	cuIpcOpenMemHandle:  "CUdeviceptr *, CUipcMemHandle, unsigned int",
	cuIpcCloseMemHandle: "CUdeviceptr",
}

// sizes are those of the types that are not plain pointers.
var sizes = map[string]int{
	"CUresult": 4, "CUdevice": 4, "CUdevice_attribute": 4, "CUpointer_attribute": 4, "CUfunction_attribute": 4,
	"CUjit_option": 4, "CUmemRangeHandleType": 4, "CUmemorytype": 4, "CUstreamCaptureMode": 4, "CUstreamCaptureStatus": 4,
	"CUdeviceptr": 8, "size_t": 8, "CUuuid": len(UUID{}), "CUipcMemHandle": len(IPCHandle{}),
}

// numbers evaluates the numeric constants of this package.
func numbers(t *testing.T) map[string]int64 {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	// No constant depends on an import, so errors about those do not matter.
	cfg := types.Config{Error: func(error) {}}
	pkg, _ := cfg.Check("cudaffi", fset, files, nil)
	values := make(map[string]int64)
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok || c.Type() == pkg.Scope().Lookup("symbol").Type() {
			continue
		}
		if v, exact := constant.Int64Val(constant.ToInt(c.Val())); exact {
			values[name] = v
		} else {
			require.Contains(t, notInHeader, name, "a constant that is not a whole number")
		}
	}
	return values
}

// Every constant is either checked against the header or known not to be there.
func TestABIListsEveryConstant(t *testing.T) {
	values := numbers(t)
	for name := range values {
		if _, ok := inHeader[name]; !ok {
			assert.Contains(t, notInHeader, name, "is this in cuda.h? then add it to inHeader")
		}
	}
	for name := range inHeader {
		assert.Contains(t, values, name, "listed and not declared")
	}
	for s, f := range functions {
		assert.NotEmpty(t, f.name, "function %d", s)
		assert.NotEmpty(t, prototypes[s], f.name)
	}
}

// The official header agrees with what this package takes for granted: numbers,
// sizes, and for each function the parameters of the version that is asked for,
// which must be those of the symbol that is looked up where the driver cannot be
// asked.
func TestABIMatchesTheHeader(t *testing.T) {
	include := needed(t, "MONEL_CUDA_INCLUDE", "the folder of NVIDIA's cuda.h")
	cc, err := exec.LookPath("cc")
	if err != nil {
		missing(t, "a C compiler: %v", err)
	}
	var c strings.Builder
	// With this defined, a name is the symbol of that name and no macro.
	fmt.Fprintln(&c, "#define __CUDA_API_VERSION_INTERNAL\n#include <stdint.h>\n#include <cuda.h>\n#include <cudaTypedefs.h>")
	assertion := func(what, format string, args ...any) {
		fmt.Fprintf(&c, "_Static_assert("+format+", %q);\n", append(args, what)...)
	}
	values := numbers(t)
	for name, header := range inHeader {
		if name == "StreamLegacy" || name == "StreamPerThread" { // casts, so not constant to the compiler
			fmt.Fprintf(&c, "char %s[%s == %d ? 1 : -1];\n", name, header, values[name])
			continue
		}
		assertion(name, "%s == %d", header, values[name])
	}
	assertion("the flags of two functions", "CU_MEMHOSTREGISTER_PORTABLE == CU_MEMHOSTALLOC_PORTABLE && CU_MEMHOSTREGISTER_DEVICEMAP == CU_MEMHOSTALLOC_DEVICEMAP")
	for name, size := range sizes {
		assertion(name, "sizeof(%s) == %d", name, size)
	}
	for s, f := range functions {
		prototype := fmt.Sprintf("CUresult (*)(%s)", prototypes[s])
		assertion(f.name+": parameters", "__builtin_types_compatible_p(PFN_%s_v%d, %s)", f.name, f.version, prototype)
		assertion(f.name+": symbol", "__builtin_types_compatible_p(__typeof__(&%s%s), %s)", f.name, f.suffix, prototype)
	}
	source := filepath.Join(t.TempDir(), "abi.c")
	require.NoError(t, os.WriteFile(source, []byte(c.String()), 0o600))
	out, err := exec.Command(cc, "-std=c11", "-w", "-fsyntax-only", "-I", include, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%d numbers, %d sizes, %d functions", len(inHeader), len(sizes), len(functions))
}
