package engine

// Apart makes ranks of one host talk as if each were on a host of its own.
func Apart(cfg Config) Config {
	cfg.apart = true
	return cfg
}
