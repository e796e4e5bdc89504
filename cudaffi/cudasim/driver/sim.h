/* What the files of the simulated driver share. */
#ifndef MONEL_SIM_H
#define MONEL_SIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "abi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API __attribute__((visibility("default")))
#define PRINTF(n) __attribute__((format(printf, n, n + 1)))
#define LENGTH(a) (sizeof(a) / sizeof *(a))

enum { MAX_DEVICES = 8 };

/* ---- settings.c: what tests configure ---- */
struct settings {
	atomic_uint_fast64_t devices;      /* GPUs, 0 to 8 */
	atomic_uint_fast64_t memory;       /* bytes of each */
	atomic_uint_fast64_t version;      /* CUDA version, 1000 major + 10 minor */
	atomic_uint_fast64_t capability;   /* of the GPUs, 10 major + minor */
	atomic_uint_fast64_t values;       /* stream memory operations are supported */
	atomic_uint_fast64_t strict;       /* what may synchronise the device does */
	atomic_uint_fast64_t patience_ms;  /* how long the host waits for a stream before it is a fault */
	atomic_uint_fast64_t channels;     /* hardware queues that streams of a priority share; 0: one each */
	atomic_uint_fast64_t depth;        /* operations that a stream has room for */
	atomic_uint_fast64_t delay_seed;
	atomic_uint_fast64_t delay_max_us; /* longest delay before an operation; 0: none */
	atomic_uint_fast64_t multiprocessors; /* that each GPU says it has */
	atomic_uint_fast64_t dmabuf;       /* device memory can be had as a descriptor */
	atomic_uint_fast64_t reuse;        /* what is freed is given out again next */
	atomic_uint_fast64_t verbose;      /* faults are printed when they happen */
};
extern struct settings settings;
void settings_reset(void);
bool settings_set(const char *name, uint64_t value);

/* ---- fault.c: misuse that the real driver would not tell, or tell later ---- */
void fault(const char *format, ...) PRINTF(1);
void faults_reset(void);

struct text { char *at; size_t room, length; };
void say(struct text *t, const char *format, ...) PRINTF(2);
void faults_say(struct text *t);

/* ---- call.c: entry of every function: counts, injected errors ---- */
enum call_id {
#define CALL(name, symbol, since) CALL_##symbol,
#include "calls.h"
#undef CALL
	CALLS
};
struct call { const char *name, *symbol; int since; };
extern const struct call calls[CALLS];
extern atomic_bool initialised;
extern _Thread_local bool in_host_function;
CUresult call_enter(enum call_id id);
CUresult call_enter_release(enum call_id id, CUresult *late);
void calls_reset(void);
void calls_say(struct text *t);
uint64_t call_count(const char *name);
void call_fail(const char *name, uint64_t n, CUresult result);
void call_fail_nth(uint64_t n, CUresult result);
uint64_t call_armed(void);

/* Errors that show when an operation is carried out: of the n-th kernel of a name
 * or of any (NULL), or of the n-th of all operations that write memory (""). */
void work_fail(const char *kernel, uint64_t n, CUresult result);
CUresult work_failing(const char *kernel);
uint64_t work_armed(void);
void work_reset(void);

#define ENTER(symbol) \
	do { \
		CUresult entered = call_enter(CALL_##symbol); \
		if (entered != CUDA_SUCCESS) \
			return entered; \
	} while (0)

/* Of a function that releases something: it does so even if an error is
 * injected, as the driver's do, which report errors of earlier work. LEAVE
 * returns that error. */
#define ENTER_RELEASE(symbol) \
	CUresult late; \
	do { \
		CUresult entered = call_enter_release(CALL_##symbol, &late); \
		if (entered != CUDA_SUCCESS) \
			return entered; \
	} while (0)
#define LEAVE(result) return late != CUDA_SUCCESS ? late : (result)

/* ---- object.c: handles ---- */
enum kind { CONTEXT, STREAM, EVENT, MODULE, FUNCTION, GRAPH, KINDS };
struct object {
	enum kind kind;
	uintptr_t handle;
	struct context *context;
	atomic_bool dead;
};
/* The memory of an object lasts until the reset after next, so that whoever still
 * holds a pointer to it, such as an operation that waits for it, may use it. */
void object_add(struct object *o, enum kind kind, struct context *c);
void *object_get(const void *handle, enum kind kind);
bool object_kill(struct object *o);
void objects_each(enum kind kind, struct context *c, void (*f)(void *object));
void objects_reset(void);
extern const char *const kind_names[KINDS];

/* ---- context.c ---- */
struct context {
	struct object o;
	int device;
	atomic_int error;       /* sticky CUresult */
	atomic_uint peers;      /* bit per device whose memory kernels may touch */
	pthread_mutex_t order;  /* enqueuing on streams that stream 0 orders */
	struct stream *legacy;  /* stream 0 */
	struct stream *streams; /* all that are alive or have work left */
	uint64_t made;          /* streams so far, for sharing queues */
	struct queue *shared[32];
};
/* The calling thread's context, or why there is none to use. */
CUresult context_current(struct context **c);
/* Without looking at the sticky error. */
struct context *context_peek(void);
/* Ends everything in the context; all its calls give the error from now on. */
void context_poison(struct context *c, CUresult error);
bool contexts_lose(int device, CUresult error);
void contexts_reset(void);
void contexts_say(struct text *t);
int contexts_retained(void);
int contexts_pushed(void);

#define NEED_CONTEXT(c) \
	struct context *c; \
	do { \
		CUresult current = context_current(&c); \
		if (current != CUDA_SUCCESS) \
			return current; \
	} while (0)

/* ---- queue.c, stream.c: threads that carry out operations ---- */
struct dependency { struct stream *stream; uint64_t seq; };
struct operation {
	struct operation *next;
	struct stream *stream;
	uint64_t seq;
	void (*run)(struct operation *);
	struct dependency *after;
	unsigned afters;
	bool writes; /* memory, for which a stream may wait */
	CUresult failure; /* injected */
	_Alignas(16) unsigned char data[];
};
struct queue {
	struct queue *next;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct operation *head, **tail;
	atomic_uint_fast64_t pushed;
	bool started, idle, closing;
	pthread_t thread;
	struct context *kernel; /* whose kernel runs */
	uint64_t random;
	uint64_t number;
	char name[16];
};
struct stream {
	struct object o;
	struct stream *next; /* of the context */
	unsigned flags;
	int priority;
	uint64_t number;
	struct queue *queue;
	bool owns_queue, is_default;
	atomic_uint_fast64_t submitted, completed;
	pthread_mutex_t lock;
	pthread_cond_t done;
	atomic_int waiters;
	_Atomic(struct capture *) capture;
};
struct queue *queue_new(uint64_t number);
/* Gives the operation its number on its stream. */
uint64_t queue_push(struct queue *q, struct operation *op);
void queue_close(struct queue *q);
/* Ends the kernel that runs there, if it is of context c, or any for NULL. */
void queue_kill(struct queue *q, struct context *c);
/* Notes whose kernel runs there; NULL: none. */
void queue_kernel(struct queue *q, struct context *c);
void queues_reset(void);
extern atomic_bool aborting; /* queues drain without doing anything */
/* Nothing runs in a context that has failed, nor during a reset. */
bool doomed(struct context *c);
/* One time in so many, delays the queue that the calling thread serves. */
void queue_delay(unsigned one_in);

struct operation *operation_new(size_t data, void (*run)(struct operation *));
void operation_after(struct operation *op, struct stream *s, uint64_t seq);

/* Waits for everything up to seq, for at most the patience. */
CUresult stream_wait(struct stream *s, uint64_t seq, const char *who);
void stream_completed(struct stream *s, uint64_t seq);
CUresult stream_find(CUstream handle, struct stream **s);
/* As stream_find, and it is a stream of the calling thread's context. */
CUresult stream_here(CUstream handle, struct context *c, struct stream **s);
/* Waits until there is room for one more operation. */
CUresult stream_room(struct stream *s);
/* Takes the operation over, or frees it where the stream is being captured, in
 * which case *seq is 0. */
CUresult stream_put(struct stream *s, struct operation *op, uint64_t *seq);
/* Both. */
CUresult stream_submit(struct stream *s, struct operation *op, uint64_t *seq);
struct stream *stream_new(struct context *c, unsigned flags, int priority, bool is_default);
void stream_retire(struct stream *s);
bool stream_idle(struct stream *s);
CUresult context_drain(struct context *c, const char *who);
void context_retire_streams(struct context *c);
/* In strict mode, waits for the device as a function does that may. */
CUresult implicit_sync(struct context *c, const char *who);

/* ---- capture.c ---- */
struct capture;
enum { CAPTURED = -1 };
/* Whether an operation on s goes ahead, is CAPTURED, or is refused (a CUresult). */
int capture_submit(struct stream *s);
/* Why a call that needs s to be carrying out its work may not be made. */
CUresult capture_refuses(struct stream *s);
/* Why the thread may not make a call that could break a capture. */
CUresult capture_forbids(void);
/* s waits for an event recorded by c on another stream: it is captured too, or
 * the other stream is joined to it. */
CUresult capture_join(struct stream *s, struct capture *c, struct stream *other);
/* s, which is captured, waits for an event that is not. */
CUresult capture_isolated(struct stream *s);
bool capture_alive(struct capture *c);
void captures_reset(void);

#define NOT_CAPTURING() \
	do { \
		CUresult forbidden = capture_forbids(); \
		if (forbidden != CUDA_SUCCESS) \
			return forbidden; \
	} while (0)

/* ---- value.c ---- */
void values_wake(void);

/* ---- arena.c: addresses ---- */
enum where { DEVICE, PINNED, MANAGED, IMPORTED, REGISTERED, WHERES };
extern const char *const where_names[WHERES];
struct range {
	uint64_t base, size;  /* what was asked for */
	uint64_t lo, hi;      /* whole pages around it */
	enum where where;
	int device;
	struct context *context;
	uint64_t number;
	bool live;
	bool exported;        /* other processes may have mapped it */
	bool held;            /* descriptors of it may be in use */
	bool damaged;         /* and told about */
	unsigned flags;
	unsigned references;
	uint64_t origin;      /* of imported memory: where it lies in its owner's file */
	int owner;            /* its process */
};
struct arena {
	uint64_t base, size;
	uint64_t shadow;      /* to add to an address for one that the host may touch */
	uint64_t next;
	int file;
	struct range *ranges; /* by address, freed ones too */
	size_t count, room, dead;
};
extern struct arena device_arena, host_arena;
extern pthread_mutex_t memory_lock;
bool arenas_open(void);
uint64_t page_size(void);
bool in_arena(const struct arena *a, uint64_t address);
/* The rest wants memory_lock; a range stays where it is until it is let go. */
struct range *arena_place(struct arena *a, uint64_t size, uint64_t alignment);
struct range *arena_insert(struct arena *a, uint64_t lo, uint64_t hi);
void arena_remove(struct arena *a, struct range *r);
bool arena_open(struct arena *a, struct range *r);
void arena_close(struct arena *a, struct range *r, const char *who);
struct range *arena_find(struct arena *a, uint64_t address);
bool range_damaged(struct arena *a, struct range *r, const char *who);
void arena_reset(struct arena *a);

/* ---- memory.c, registered.c: what is allocated ---- */
enum memory { MEMORY_DEVICE, MEMORY_PINNED, MEMORY_PAGEABLE };
/* Where the host finds n bytes, and of which kind they are. A fault is recorded
 * for bytes that nobody may touch. */
CUresult memory_resolve(uint64_t address, size_t n, const char *who, unsigned char **host, enum memory *kind);
uint64_t memory_release_context(struct context *c);
void memory_reset(void);
void memory_check(void);
struct tally { uint64_t pieces, bytes; };
void memory_tally(struct tally tallies[WHERES]);
void memory_say(struct text *t);
/* With memory_lock: what lies at an address, also as text for faults. */
struct range *range_find(uint64_t address, struct arena **a);
void memory_describe(uint64_t address, char *buffer, size_t size);
struct range *registered_find(uint64_t address);
uint64_t registered_release_context(struct context *c);
void registered_each(void (*f)(struct arena *, struct range *, void *), void *argument);

/* ---- ipc.c ---- */
bool ipc_label(struct arena *a);

/* ---- trap.c: memory accesses that fail ---- */
void trap_install(void);
/* Calls f; false if that touched memory it may not, with the address. */
bool trapped(void (*f)(void *), void *argument, uint64_t *address);
/* The same for a kernel of context c, which ends when the context is doomed. */
enum outcome { RAN, FAULTED, KILLED };
enum outcome trapped_kernel(void (*f)(void *), void *argument, struct context *c, uint64_t *address);
/* Ends the innermost trapped call as if it had touched address. */
void trap_raise(uint64_t address) __attribute__((noreturn));
/* In between, a kernel is not killed: it holds locks. */
void trap_hold(void);
void trap_let(void);
/* The calling thread serves a queue, and may be sent signals to kill a kernel. */
void trap_worker(void);
void trap_kill(pthread_t thread);

/* ---- module.c, launch.c, builtin.c ---- */
typedef void (*host_kernel)(const unsigned grid[3], const unsigned block[3], void **params);
struct function {
	struct object o;
	struct module *module;
	char *name;
	host_kernel kernel;
	size_t count, bytes; /* of the parameters */
	uint32_t *offsets, *sizes;
	atomic_bool loaded;
	unsigned max_threads, static_shared;
	atomic_uint dynamic_shared;
};
struct module {
	struct object o;
	struct function **functions;
	size_t count;
	unsigned target; /* of the PTX, 10 major + minor */
};
host_kernel builtin_kernel(const char *name);
CUresult function_load(struct function *f, const char *who);

/* ---- ptx.c ---- */
enum { MAX_PARAMS = 64 };
struct ptx_entry {
	char *name;
	size_t count; /* of the parameters */
	uint32_t sizes[MAX_PARAMS], alignments[MAX_PARAMS];
	unsigned max_threads, shared;
};
struct ptx {
	unsigned version, target; /* 10 major + minor */
	struct ptx_entry *entries;
	size_t count;
};
/* False, with the reason in why, if the text is not PTX. */
bool ptx_parse(const char *text, struct ptx *out, char *why, size_t size);
void ptx_free(struct ptx *p);

uint64_t nanoseconds(void);

#endif
