package cudaffi

// symbol numbers a function of the driver, and has its name in cuda.h.
type symbol int

const (
	cuInit symbol = iota
	cuDriverGetVersion
	cuGetErrorName
	cuGetErrorString
	cuDeviceGetCount
	cuDeviceGet
	cuDeviceGetName
	cuDeviceTotalMem
	cuDeviceGetAttribute
	cuDeviceGetUuid
	cuDeviceGetPCIBusId
	cuDevicePrimaryCtxRetain
	cuDevicePrimaryCtxRelease
	cuCtxGetCurrent
	cuCtxPushCurrent
	cuCtxPopCurrent
	cuCtxSynchronize
	cuCtxGetStreamPriorityRange
	cuThreadExchangeStreamCaptureMode
	cuMemAlloc
	cuMemFree
	cuMemGetAddressRange
	cuMemGetHandleForAddressRange
	cuMemHostAlloc
	cuMemFreeHost
	cuMemHostRegister
	cuMemHostUnregister
	cuMemHostGetDevicePointer
	cuMemcpyAsync
	cuMemcpyHtoD
	cuMemcpyDtoH
	cuMemsetD8Async
	cuPointerGetAttributes
	cuStreamCreateWithPriority
	cuStreamDestroy
	cuStreamQuery
	cuStreamSynchronize
	cuStreamWaitEvent
	cuStreamIsCapturing
	cuStreamGetPriority
	cuStreamWaitValue32
	cuStreamWriteValue32
	cuStreamWaitValue32V1
	cuStreamWriteValue32V1
	cuEventCreate
	cuEventDestroy
	cuEventRecord
	cuEventQuery
	cuEventSynchronize
	cuEventElapsedTime
	cuModuleLoadDataEx
	cuModuleUnload
	cuModuleGetFunction
	cuFuncLoad
	cuFuncGetAttribute
	cuLaunchKernel
	cuIpcGetMemHandle
	cuIpcOpenMemHandle
	cuIpcCloseMemHandle
	symbolCount
)

// function says how to find a function of the driver. A name stands for several
// functions: an incompatible successor has the same name in the header and a
// suffix in the library.
type function struct {
	name    string
	version int    // the CUDA version that brought the signature that we use
	suffix  string // of the symbol with that signature
	absent  bool   // whether a driver that is new enough may lack it
}

var functions = [symbolCount]function{
	cuInit:                            {name: "cuInit", version: 2000},
	cuDriverGetVersion:                {name: "cuDriverGetVersion", version: 2020},
	cuGetErrorName:                    {name: "cuGetErrorName", version: 6000},
	cuGetErrorString:                  {name: "cuGetErrorString", version: 6000},
	cuDeviceGetCount:                  {name: "cuDeviceGetCount", version: 2000},
	cuDeviceGet:                       {name: "cuDeviceGet", version: 2000},
	cuDeviceGetName:                   {name: "cuDeviceGetName", version: 2000},
	cuDeviceTotalMem:                  {name: "cuDeviceTotalMem", version: 3020, suffix: "_v2"},
	cuDeviceGetAttribute:              {name: "cuDeviceGetAttribute", version: 2000},
	cuDeviceGetUuid:                   {name: "cuDeviceGetUuid", version: 9020},
	cuDeviceGetPCIBusId:               {name: "cuDeviceGetPCIBusId", version: 4010},
	cuDevicePrimaryCtxRetain:          {name: "cuDevicePrimaryCtxRetain", version: 7000},
	cuDevicePrimaryCtxRelease:         {name: "cuDevicePrimaryCtxRelease", version: 11000, suffix: "_v2"},
	cuCtxGetCurrent:                   {name: "cuCtxGetCurrent", version: 4000},
	cuCtxPushCurrent:                  {name: "cuCtxPushCurrent", version: 4000, suffix: "_v2"},
	cuCtxPopCurrent:                   {name: "cuCtxPopCurrent", version: 4000, suffix: "_v2"},
	cuCtxSynchronize:                  {name: "cuCtxSynchronize", version: 2000},
	cuCtxGetStreamPriorityRange:       {name: "cuCtxGetStreamPriorityRange", version: 5050},
	cuThreadExchangeStreamCaptureMode: {name: "cuThreadExchangeStreamCaptureMode", version: 10010},
	cuMemAlloc:                        {name: "cuMemAlloc", version: 3020, suffix: "_v2"},
	cuMemFree:                         {name: "cuMemFree", version: 3020, suffix: "_v2"},
	cuMemGetAddressRange:              {name: "cuMemGetAddressRange", version: 3020, suffix: "_v2"},
	cuMemGetHandleForAddressRange:     {name: "cuMemGetHandleForAddressRange", version: 11070, absent: true},
	cuMemHostAlloc:                    {name: "cuMemHostAlloc", version: 2020},
	cuMemFreeHost:                     {name: "cuMemFreeHost", version: 2000},
	cuMemHostRegister:                 {name: "cuMemHostRegister", version: 6050, suffix: "_v2"},
	cuMemHostUnregister:               {name: "cuMemHostUnregister", version: 4000},
	cuMemHostGetDevicePointer:         {name: "cuMemHostGetDevicePointer", version: 3020, suffix: "_v2"},
	cuMemcpyAsync:                     {name: "cuMemcpyAsync", version: 4000},
	cuMemcpyHtoD:                      {name: "cuMemcpyHtoD", version: 3020, suffix: "_v2"},
	cuMemcpyDtoH:                      {name: "cuMemcpyDtoH", version: 3020, suffix: "_v2"},
	cuMemsetD8Async:                   {name: "cuMemsetD8Async", version: 3020},
	cuPointerGetAttributes:            {name: "cuPointerGetAttributes", version: 7000},
	cuStreamCreateWithPriority:        {name: "cuStreamCreateWithPriority", version: 5050},
	cuStreamDestroy:                   {name: "cuStreamDestroy", version: 4000, suffix: "_v2"},
	cuStreamQuery:                     {name: "cuStreamQuery", version: 2000},
	cuStreamSynchronize:               {name: "cuStreamSynchronize", version: 2000},
	cuStreamWaitEvent:                 {name: "cuStreamWaitEvent", version: 3020},
	cuStreamIsCapturing:               {name: "cuStreamIsCapturing", version: 10000},
	cuStreamGetPriority:               {name: "cuStreamGetPriority", version: 5050},
	cuStreamWaitValue32:               {name: "cuStreamWaitValue32", version: 11070, suffix: "_v2", absent: true},
	cuStreamWriteValue32:              {name: "cuStreamWriteValue32", version: 11070, suffix: "_v2", absent: true},
	cuStreamWaitValue32V1:             {name: "cuStreamWaitValue32", version: 8000, absent: true},
	cuStreamWriteValue32V1:            {name: "cuStreamWriteValue32", version: 8000, absent: true},
	cuEventCreate:                     {name: "cuEventCreate", version: 2000},
	cuEventDestroy:                    {name: "cuEventDestroy", version: 4000, suffix: "_v2"},
	cuEventRecord:                     {name: "cuEventRecord", version: 2000},
	cuEventQuery:                      {name: "cuEventQuery", version: 2000},
	cuEventSynchronize:                {name: "cuEventSynchronize", version: 2000},
	cuEventElapsedTime:                {name: "cuEventElapsedTime", version: 2000},
	cuModuleLoadDataEx:                {name: "cuModuleLoadDataEx", version: 2010},
	cuModuleUnload:                    {name: "cuModuleUnload", version: 2000},
	cuModuleGetFunction:               {name: "cuModuleGetFunction", version: 2000},
	cuFuncLoad:                        {name: "cuFuncLoad", version: 12040, absent: true},
	cuFuncGetAttribute:                {name: "cuFuncGetAttribute", version: 2020},
	cuLaunchKernel:                    {name: "cuLaunchKernel", version: 4000},
	cuIpcGetMemHandle:                 {name: "cuIpcGetMemHandle", version: 4010},
	cuIpcOpenMemHandle:                {name: "cuIpcOpenMemHandle", version: 11000, suffix: "_v2"},
	cuIpcCloseMemHandle:               {name: "cuIpcCloseMemHandle", version: 4010},
}
