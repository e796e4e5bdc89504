package doctor

// Report is what was found. Its keys in JSON are what scripts read; no list is null.
type Report struct {
	Program string       `json:"program"`
	Kernels Kernels      `json:"kernels"`
	GPUs    GPUs         `json:"gpus"`
	Network Network      `json:"network"`
	RDMA    RDMA         `json:"rdma"`
	Memory  SharedMemory `json:"shared_memory"`
}

// Lack is something that is missing, and what to do about it.
type Lack struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// Kernels are the host's.
type Kernels struct {
	Active    string   `json:"active"`
	Supported []string `json:"supported"` // slowest first
	Processor string   `json:"processor"`
	Cores     int      `json:"cores"`
	Lacks     []Lack   `json:"lacks"`
}

// GPUs are those that this process may use, and their driver.
type GPUs struct {
	Library string `json:"library"` // path, empty without a driver
	CUDA    string `json:"cuda"`    // the version that the driver supports
	Found   []GPU  `json:"found"`
	Lacks   []Lack `json:"lacks"`
}

// GPU is one of them.
type GPU struct {
	Ordinal    int    `json:"ordinal"`
	Name       string `json:"name"`
	Memory     int64  `json:"memory_bytes"`
	Capability string `json:"capability"`
	PCI        string `json:"pci"`
	UUID       string `json:"uuid"`
	DMABuf     bool   `json:"dma_buf"` // the driver exports its memory to other devices
}

// Network is the host's interfaces, and which of their addresses are offered to
// other hosts.
type Network struct {
	Selection  string      `json:"selection"` // NCCL_SOCKET_IFNAME
	Interfaces []Interface `json:"interfaces"`
	Addresses  []string    `json:"addresses"` // offered to other hosts, best first
	Lacks      []Lack      `json:"lacks"`
}

// Interface is one that is up and has addresses.
type Interface struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	MbitPerS  int      `json:"mbit_per_s"` // 0 if the kernel does not tell
}

// RDMA is the host's devices, and whether programs can reach them.
type RDMA struct {
	Devices []RDMADevice `json:"devices"`
	Library bool         `json:"libibverbs"`
	Chosen  []string     `json:"chosen"` // ports that may be used, the best first
	GPUs    []Direct     `json:"gpus"`
	Lacks   []Lack       `json:"lacks"`
}

// Direct is how the adapters get at the memory of a GPU.
type Direct struct {
	Ordinal int    `json:"ordinal"`
	Way     string `json:"way"` // dma-buf or peer memory; empty: through the host's memory
	Why     string `json:"why"` // if it is empty
}

// RDMADevice is one of them.
type RDMADevice struct {
	Name  string     `json:"name"`
	Ports []RDMAPort `json:"ports"`
}

// RDMAPort is as sysfs describes it.
type RDMAPort struct {
	Number string `json:"number"`
	State  string `json:"state"` // like ACTIVE
	Link   string `json:"link"`  // InfiniBand or Ethernet
	Rate   string `json:"rate"`
}

// SharedMemory is what processes of this host exchange data through.
type SharedMemory struct {
	Usable bool   `json:"usable"`
	Memfd  bool   `json:"memfd"`         // anonymous memory files can be made
	Size   int64  `json:"dev_shm_bytes"` // 0 if there is no /dev/shm
	Free   int64  `json:"dev_shm_free_bytes"`
	Lacks  []Lack `json:"lacks"`
}
