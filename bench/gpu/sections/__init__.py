"""What python_cuda.py has its ranks do. A section is a module with start(rank, size), which
returns the section's cases: functions by name, each called on all ranks, that raise what is
wrong or return a few figures."""
