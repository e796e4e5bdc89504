package doctor

func (s System) memory() SharedMemory {
	m := SharedMemory{Memfd: s.Memfd() == nil, Lacks: []Lack{}}
	m.Size, m.Free, _ = s.Space(s.file("dev/shm"))
	if err := s.SharedMemory(); err != nil {
		m.Lacks = append(m.Lacks, Lack{
			err.Error(),
			"without it, ranks of this machine talk through sockets: on Linux, let the sandbox allow memfd_create, " +
				"or mount a file system at /dev/shm (of containers: --shm-size=1g)",
		})
		return m
	}
	m.Usable = true
	return m
}
