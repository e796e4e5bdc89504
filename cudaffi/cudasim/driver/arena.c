/* Where memory comes from: reserved regions of addresses, in which every
 * allocation has its own pages with inaccessible ones around them, ends where
 * they end as nearly as alignment allows, and is never given out again before
 * all other addresses have been. */
#include "sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	POISON = 0xff, /* not a number in every floating-point type */
	GUARD = 0xdb,
};

struct arena device_arena = {.file = -1}, host_arena = {.file = -1};
pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
const char *const where_names[WHERES] = {"device memory", "pinned memory", "managed memory", "imported memory", "registered memory"};

/* At least what pinned memory is aligned to. */
uint64_t page_size(void) {
	static atomic_uint_fast64_t size;
	if (size == 0)
		size = (uint64_t)sysconf(_SC_PAGESIZE);
	return size;
}
#define PAGE page_size()

static uint64_t up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

bool in_arena(const struct arena *a, uint64_t address) { return address - a->base < a->size; }

/* The device's addresses are inaccessible, and its bytes are elsewhere, in a
 * file so that other processes can map them. */
static bool reserve(struct arena *a, uint64_t size, bool device) {
	for (; size >= 1ull << 32; size /= 2) {
		void *m = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (m == MAP_FAILED)
			continue;
		a->base = (uint64_t)m;
		a->size = size;
		a->next = PAGE;
		madvise(m, size, MADV_NOHUGEPAGE);
		if (!device)
			return true;
		a->file = memfd_create("monel-cudasim", MFD_CLOEXEC);
		if (a->file >= 0 && ftruncate(a->file, (off_t)size) == 0 && ipc_label(a)) {
			void *shadow = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, a->file, 0);
			if (shadow != MAP_FAILED) {
				a->shadow = (uint64_t)shadow - a->base;
				return true;
			}
		}
		if (a->file >= 0)
			close(a->file);
		munmap(m, size);
		a->file = -1;
	}
	a->base = a->size = 0;
	return false;
}

bool arenas_open(void) {
#ifdef __SANITIZE_THREAD__
	enum { SHIFT = 37 };
#else
	enum { SHIFT = 40 };
#endif
	pthread_mutex_lock(&memory_lock);
	bool ok = (device_arena.size > 0 || reserve(&device_arena, 1ull << SHIFT, true)) &&
		(host_arena.size > 0 || reserve(&host_arena, 1ull << SHIFT, false));
	pthread_mutex_unlock(&memory_lock);
	return ok;
}

/* The first range that ends after address. */
static size_t position(struct arena *a, uint64_t address) {
	size_t lo = 0, hi = a->count;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (a->ranges[mid].hi <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void forget_dead(struct arena *a, uint64_t lo, uint64_t hi) {
	size_t n = 0;
	for (size_t i = 0; i < a->count; i++) {
		struct range *r = &a->ranges[i];
		if (!r->live && r->lo < hi && r->hi > lo)
			a->dead--;
		else
			a->ranges[n++] = *r;
	}
	a->count = n;
}

struct range *arena_insert(struct arena *a, uint64_t lo, uint64_t hi) {
	static uint64_t numbers;
	if (a->count == a->room) {
		a->room = a->room == 0 ? 64 : 2 * a->room;
		a->ranges = realloc(a->ranges, a->room * sizeof *a->ranges);
	}
	size_t at = position(a, lo);
	memmove(&a->ranges[at + 1], &a->ranges[at], (a->count - at) * sizeof *a->ranges);
	a->count++;
	a->ranges[at] = (struct range){.lo = lo, .hi = hi, .number = ++numbers, .live = true};
	return &a->ranges[at];
}

void arena_remove(struct arena *a, struct range *r) {
	size_t at = (size_t)(r - a->ranges);
	memmove(r, r + 1, (a->count - at - 1) * sizeof *r);
	a->count--;
}

struct range *arena_place(struct arena *a, uint64_t size, uint64_t alignment) {
	enum { REMEMBERED = 1 << 16 };
	if (size > a->size / 2)
		return NULL;
	if (a->dead > REMEMBERED)
		forget_dead(a, 0, UINT64_MAX);
	uint64_t bytes = up(up(size, alignment), PAGE);
	bool again = false;
	uint64_t lo = a->base + a->next + PAGE;
	for (size_t i = position(a, lo - PAGE);;) {
		if (lo + bytes + PAGE > a->base + a->size) {
			if (again)
				return NULL;
			again = true;
			lo = a->base + 2 * PAGE;
			i = 0;
		}
		if (i == a->count || a->ranges[i].lo >= lo + bytes + PAGE)
			break;
		if (a->ranges[i].live && a->ranges[i].hi + PAGE > lo)
			lo = a->ranges[i].hi + PAGE;
		i++;
	}
	size_t at = position(a, lo - PAGE);
	if (at < a->count && a->ranges[at].lo < lo + bytes + PAGE)
		forget_dead(a, lo - PAGE, lo + bytes + PAGE);
	a->next = lo + bytes - a->base;
	struct range *r = arena_insert(a, lo, lo + bytes);
	r->base = r->hi - up(size, alignment);
	r->size = size;
	return r;
}

/* Makes the pages accessible; false without memory for them. */
bool arena_open(struct arena *a, struct range *r) {
	unsigned char *at = (unsigned char *)(r->lo + a->shadow);
	if (mprotect(at, r->hi - r->lo, PROT_READ | PROT_WRITE) != 0) {
		arena_remove(a, r);
		return false;
	}
	memset(at, GUARD, r->base - r->lo);
	memset(at + (r->base - r->lo), POISON, r->size);
	memset(at + (r->base - r->lo) + r->size, GUARD, r->hi - r->base - r->size);
	return true;
}

/* Something was written beside the allocation, on its own pages. */
bool range_damaged(struct arena *a, struct range *r, const char *who) {
	const unsigned char *at = (const unsigned char *)(r->lo + a->shadow);
	if (r->damaged || r->where == IMPORTED)
		return false;
	for (uint64_t i = 0; i < r->hi - r->lo; i++) {
		if (i == r->base - r->lo)
			i += r->size;
		if (i < r->hi - r->lo && at[i] != GUARD) {
			int64_t off = (int64_t)(r->lo + i - r->base);
			fault("%s: something wrote at offset %lld of allocation %llu, %s of %llu bytes", who, (long long)off,
				(unsigned long long)r->number, where_names[r->where], (unsigned long long)r->size);
			r->damaged = true;
			return true;
		}
	}
	return false;
}

void arena_close(struct arena *a, struct range *r, const char *who) {
	void *at = (void *)(r->lo + a->shadow);
	if (who != NULL)
		range_damaged(a, r, who);
	if (r->exported && !r->held)
		memset(at, POISON, r->hi - r->lo); /* for those who map it still */
	else if (a->file >= 0 && r->where != IMPORTED)
		fallocate(a->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(r->lo - a->base), (off_t)(r->hi - r->lo));
	else
		madvise(at, r->hi - r->lo, MADV_DONTNEED);
	if (r->where == IMPORTED)
		mmap(at, r->hi - r->lo, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, a->file, (off_t)(r->lo - a->base));
	else
		mprotect(at, r->hi - r->lo, PROT_NONE);
	r->live = false;
	a->dead++;
	if (settings.reuse && who != NULL)
		a->next = r->lo - PAGE - a->base;
}

/* Pages that are given back here stay with those who have pinned them, and what is
 * allocated at the same addresses has others: so it is with a GPU's memory, too. */

/* The range that address lies in, or lay in before it was freed. */
struct range *arena_find(struct arena *a, uint64_t address) {
	size_t i = position(a, address);
	if (i == a->count)
		return NULL;
	struct range *r = &a->ranges[i];
	return address >= r->base && address - r->base < r->size ? r : NULL;
}

void arena_reset(struct arena *a) {
	for (size_t i = 0; i < a->count; i++)
		if (a->ranges[i].live)
			arena_close(a, &a->ranges[i], NULL);
	/* What had been exported, too. */
	if (a->file >= 0 && a->count > 0) {
		off_t from = (off_t)(a->ranges[0].lo - a->base), to = (off_t)(a->ranges[a->count - 1].hi - a->base);
		fallocate(a->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
	}
	a->count = a->dead = 0;
}
