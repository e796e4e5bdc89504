// Package affinity binds the threads that ranks work in to cores, as mpirun does
// with its processes: two ranks that poll stay for milliseconds on the core on
// which both were woken, taking turns, while another core has nothing to do.
package affinity
