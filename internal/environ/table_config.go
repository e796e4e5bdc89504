package environ

import "math"

// Subsystems are the parts that log, as NCCL_DEBUG_SUBSYS names them, without ALL.
var Subsystems = []string{"INIT", "COLL", "P2P", "SHM", "NET", "GRAPH", "TUNING", "ENV", "ALLOC", "ALLOC_HOST", "CALL", "PROXY", "NVLS", "BOOTSTRAP", "REG", "PROFILE", "RAS", "DESTROY"}

// Levels are what NCCL_DEBUG may ask for, the least first, without NONE.
var Levels = []string{"VERSION", "WARN", "ATTN", "INFO", "ABORT", "TRACE"}

// Bounds that package engine has, too; a test there compares them.
const (
	MaxHopBytes    = 1 << 24
	MaxConnections = 64
	MaxBuffer      = 128 << 20
	MaxHistory     = 1 << 20
	MaxTraceHops   = 1 << 24
)

const pattern = "a path; `%h` is the host's name up to the first dot, `%p` the process number, `%%` a percent sign"

var logging = Group{
	Title: "Logging",
	Intro: "Without `NCCL_DEBUG` and `NCCL_DEBUG_LEVELS`, messages go to `slog.Default()`; with them, to a handler that writes lines of text. " +
		"A `Config.Logger` that the program sets goes before both.",
	Files: true,
	Variables: []Variable{
		{"NCCL_DEBUG", oneOf(append([]string{"NONE"}, Levels...)...), "`slog.Default()`",
			"what is logged: nothing; the version; warnings; the same; also how ranks are connected, which algorithms run, and these variables (`Config.Explain`); the same; everything. Each level has what those before it have", false},
		{"NCCL_DEBUG_LEVELS", listOf(append([]string{"ALL"}, Levels...)...), "none", "levels besides those of `NCCL_DEBUG`, each by itself", false},
		{"NCCL_DEBUG_SUBSYS", listOf(append([]string{"ALL"}, Subsystems...)...), "`INIT,BOOTSTRAP,ENV`, and everything with `TRACE`",
			"which parts are heard below warnings. With `INFO`, the parts named here are also heard in detail: `COLL` logs every call", false},
		{"NCCL_DEBUG_FILE", text(pattern + "; or `stderr`, `stdout`"), "`stderr`, where NCCL has `stdout`",
			"where the lines go. The file is written anew, if more than the version is asked for", false},
	},
}

var network = Group{
	Title: "Network",
	Intro: "Variables that all ranks must share are marked; a difference is an error of `engine.Init` on every rank.",
	Files: true,
	Variables: []Variable{
		{"NCCL_SOCKET_IFNAME", text("prefixes of names, separated by commas; `=` in front: whole names; `^`: all but those; `^=`: both"), "the interface that faces rank 0",
			"which network interface this rank, and `engine.NewUniqueID`, listens on (`Config.Interface`)", false},
		{"NCCL_SOCKET_FAMILY", oneOf("AF_INET", "AF_INET6"), "IPv4 where there is a choice", "addresses of which family are used (`Config.Family`)", false},
		{"NCCL_SOCKET_NTHREADS", number(1, MaxConnections), "1 between hosts, up to 4 within one", "with the next, how many connections a TCP link has, over which large chunks go at once (`Config.Connections`): their product, at most 64. All ranks", false},
		{"NCCL_NSOCKS_PERTHREAD", number(1, MaxConnections), "1", "see above. All ranks", false},
		{"NCCL_SHM_DISABLE", flag(), "0", "1: this rank shares no memory with others of its host, which then talk to it over TCP (`Config.NoSharedMemory`)", false},
		{"NCCL_NET", oneOf("Socket", "IB"), "`IB`", "what connects hosts: `Socket` means no RDMA, and `IB` what is usual, RDMA where both hosts have a port that can be used", false},
		{"MONEL_TIMEOUT", duration(), "10 minutes", "how long a collective may take (`Config.Timeout`)", false},
		{"MONEL_INIT_TIMEOUT", duration(), "2 minutes", "how long `engine.Init` may take (`Config.InitTimeout`)", false},
		{"MONEL_LOST_AFTER", duration(), "10 seconds", "how long a rank may be silent until it counts as lost, a second at least (`Config.LostAfter`). All ranks", false},
	},
}

var algorithms = Group{
	Title: "Algorithms",
	Intro: "These decide in which order values are added, and so the last bits of floating-point results. All ranks must share them.",
	Files: true,
	Variables: []Variable{
		{"NCCL_ALGO", byFunction("a list of `Ring`, `Tree`, `PAT`, `doubling` (ours) and what else NCCL has; `^` in front: all but those; for one function: `allreduce:Ring;broadcast:Tree`", algorithmNames), "by size",
			"how collectives work (`Config.Algorithm`, `Config.Algorithms`). all_reduce has `Ring` and `doubling`, which is also called `Tree`; broadcast and reduce have `Ring`, the chain, and `Tree`; all_gather and reduce_scatter have `Ring` and `PAT`, Bruck's. What a collective has not is left out, and a list with nothing or all that it has says nothing about it", false},
		{"NCCL_BUFFSIZE", number(256, MaxBuffer), "1 MiB, where NCCL has 4 MiB",
			"bytes of a link's buffer, which holds four chunks: `Config.ChunkBytes` is a quarter of it, rounded down to a multiple of 64", false},
		{"MONEL_CHECKSUMS", flag(), "0", "1: a CRC-32C with every chunk (`Config.Checksums`)", false},
		{"MONEL_ENCRYPT", flag(), "0", "1: what leaves a host is encrypted (`Config.Encrypt`)", false},
		{"MONEL_HOP_BYTES", number(1, MaxHopBytes), "12288", "what a hop costs, for the choice by size (`Config.HopBytes`)", false},
	},
}

var observation = Group{
	Title: "Watching",
	Intro: "In paths, `%r` is the rank and `%c` the communicator's name, with a number behind it where another open one of the process has the same and the same rank, besides those of `NCCL_DEBUG_FILE`. Without `%r`, ranks write over each other's files.",
	Files: true,
	Variables: []Variable{
		{"MONEL_HISTORY", number(0, MaxHistory), "256", "how many operations the flight recorder keeps (`Config.History`); 0: none", false},
		{"MONEL_DUMP_FILE", text(pattern), "nowhere", "where the flight recorder goes when a collective fails (`Config.DumpFile`), as JSON", false},
		{"MONEL_DUMP_SIGNAL", text("a signal's name, such as `USR1`; not on Windows"), "none", "the signal on which all communicators write to `MONEL_DUMP_FILE`, or to standard error without one", false},
		{"MONEL_TRACE_FILE", text(pattern), "no trace", "where `Comm.Close` writes the trace of all hops (`Config.TraceFile`), for chrome://tracing and ui.perfetto.dev", false},
		{"MONEL_TRACE_HOPS", number(1, MaxTraceHops), "65536", "how many hops a trace keeps, the latest (`Config.TraceHops`)", false},
	},
}

var machine = Group{
	Title: "This machine",
	Intro: "These are read when the program starts, or when a GPU is first used, and from the process's environment alone.",
	Variables: []Variable{
		{"MONEL_KERNELS", oneOf("scalar", "avx2", "avx512", "neon"), "the best that the processor has", "which host kernels are used. All give the same bits", false},
		{"MONEL_NCCL_VERSION", text("a version like `2.19.3`, or its code, `21903`"), "2.32.3", "what `ncclGetVersion` of libnccl.so.2 gives", false},
		{"MONEL_LIBNCCL", text("a path"), "`libnccl.so.2`, beside the package or where the system looks", "Monel's libnccl.so.2, for the Python package", false},
		{"MONEL_CUDA_LIBRARY", text("a path"), "`libcuda.so.1`, where it usually is", "the CUDA driver's library", false},
		{"CUDA_DEVICE_MAX_CONNECTIONS", number(1, 32), "32, which is set for the process", "how many hardware channels the CUDA driver uses for streams", false},
	},
}

var rdma = Group{
	Title: "InfiniBand and RoCE",
	Intro: "These are for the RDMA transport (`Config.RDMA`). They have no effect where hosts talk over TCP.",
	Files: true,
	Variables: []Variable{
		{"NCCL_IB_DISABLE", flag(), "0", "1: no RDMA", false},
		{"NCCL_IB_HCA", adapterList(), "all", "which adapters and ports are used", false},
		{"NCCL_IB_GID_INDEX", number(-1, 255), "-1: the best, RoCE v2 with an IPv4 address if there is one", "which entry of the port's GID table is used", false},
		{"NCCL_IB_TIMEOUT", number(0, 31), "18, where NCCL has 20", "the time until a packet is sent again, 4.096 µs · 2^value; 0: never, so that one which is lost is found by `MONEL_TIMEOUT` alone", false},
		{"NCCL_IB_RETRY_CNT", number(0, 7), "7", "how often it is sent again", false},
		{"NCCL_IB_SL", number(0, 15), "0", "the service level", false},
		{"NCCL_IB_TC", number(0, 255), "0", "the traffic class", false},
		{"NCCL_IB_QPS_PER_CONNECTION", number(1, 16), "1", "how many queue pairs a link has on each port; its chunks take them in turns", false},
		{"NCCL_NET_GDR_LEVEL", distance(), "`PXB`",
			"how far from each other a GPU and an adapter may be that reads its memory directly: never; under one PCI switch; several switches; on one NUMA node; anywhere", false},
		{"NCCL_NET_GDR_READ", flag(), "1", "0: adapters do not read GPUs' memory, whose elements go through the host's", false},
		{"NCCL_DMABUF_ENABLE", flag(), "1", "0: they read it by the kernel module nvidia_peermem alone, not by dma-buf", false},
		{"MONEL_IB_RAILS", number(1, 4), "1", "how many ports each link uses. Ranks of one host begin with different ones", false},
	},
}

var accepted = Group{
	Title: "Accepted without effect",
	Intro: "NCCL's settings for what does not exist here. They may be left set; mistakes in their values are reported.",
	Files: true,
	Variables: []Variable{
		{"NCCL_CONF_FILE", text("a path"), "`~/.nccl.conf`", "read before all others, and from the process's environment alone: see above", false},
		{"NCCL_PROTO", byFunction("a list of `LL`, `LL128`, `Simple`, with `^` and for functions as `NCCL_ALGO`", []string{"LL", "LL128", "Simple"}), "", "there is one protocol: headers travel with the chunks", false},
		{"NCCL_MIN_NCHANNELS", number(1, math.MaxInt64), "", "a link has one channel; see `NCCL_SOCKET_NTHREADS` for connections", false},
		{"NCCL_MAX_NCHANNELS", number(1, math.MaxInt64), "", "the same", false},
		{"NCCL_MIN_CTAS", number(1, math.MaxInt64), "", "the same", false},
		{"NCCL_MAX_CTAS", number(1, math.MaxInt64), "", "the same", false},
		{"NCCL_NTHREADS", number(1, math.MaxInt64), "", "the size of NCCL's GPU blocks", false},
		{"NCCL_P2P_DISABLE", flag(), "", "elements on GPUs go through host memory in any case", false},
		{"NCCL_P2P_LEVEL", text("as for NCCL"), "", "the same", false},
		{"NCCL_CUMEM_ENABLE", number(-2, 1), "", "the same", false},
		{"NCCL_NVLS_ENABLE", number(0, 2), "", "the same", false},
		{"NCCL_CROSS_NIC", number(0, 2), "", "rings enter and leave a host once", false},
		{"NCCL_CHECK_POINTERS", flag(), "", "arguments are always checked", false},
		{"NCCL_CHECKS_DISABLE", flag(), "", "the same", false},
		{"NCCL_LAUNCH_MODE", oneOf("PARALLEL", "GROUP"), "", "how NCCL's kernels are launched", false},
		{"NCCL_PSK", noSuch("it encrypts nothing, as NCCL does not read it either: call ncclSetEncryption, or set MONEL_ENCRYPT=1 and MONEL_SECRET"), "", "not a variable of NCCL's, which has `ncclSetEncryption` alone. A warning says so, lest traffic be taken for encrypted", true},
		{"NCCL_IGNORE_CPU_AFFINITY", flag(), "", "affinities are left alone", false},
	},
}
