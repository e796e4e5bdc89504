/* A simulation for the virtual machines of make test-rdma: what Soft-RoCE in their
 * kernel lacks, and what an adapter beside a GPU has. It stands in front of libibverbs
 * and makes memory of the simulated CUDA driver (cudaffi/cudasim) known to the adapter,
 * under its addresses on the simulated device: from the descriptors that stand for
 * dma-bufs there, and from the addresses alone where MONEL_TEST_PEER_MEMORY says that
 * there is a kernel module for peer memory. The pages are then pinned by the kernel, so
 * what moves is real, and what is freed and given out again is other memory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct ibv_mr *ibv_reg_mr_iova(void *pd, void *address, size_t length, uint64_t iova, int access);

/* Registers pages of a file under the addresses from iova on. */
static struct ibv_mr *pages_of(void *pd, int file, off_t from, size_t length, uint64_t iova, int access) {
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, from);
	if (at == MAP_FAILED)
		return NULL;
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, at, length, iova, access);
	int error = errno;
	munmap(at, length); /* the adapter has the pages */
	errno = error;
	return mr;
}

struct ibv_mr *ibv_reg_dmabuf_mr(void *pd, uint64_t offset, size_t length, uint64_t iova, int file, int access) {
	off_t at = lseek(file, 0, SEEK_CUR); /* EBADF of what is no descriptor, as it should be */
	if (at < 0)
		return NULL;
	return pages_of(pd, file, at + (off_t)offset, length, iova, access);
}

struct ibv_mr *ibv_reg_mr(void *pd, void *address, size_t length, int access) {
	const char *driver = getenv("MONEL_TEST_PEER_MEMORY");
	void *library = driver != NULL && *driver != 0 ? dlopen(driver, RTLD_NOW | RTLD_NOLOAD) : NULL;
	int (*export)(uint64_t, size_t) = library != NULL ? (int (*)(uint64_t, size_t))dlsym(library, "monel_sim_export") : NULL;
	int file = export != NULL ? export((uint64_t)address, length) : -1;
	if (file < 0)
		return ibv_reg_mr_iova(pd, address, length, (uint64_t)address, access);
	struct ibv_mr *mr = pages_of(pd, file, lseek(file, 0, SEEK_CUR), length, (uint64_t)address, access);
	close(file);
	return mr;
}
