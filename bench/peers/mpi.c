// One rank of an MPI contender. The driver's socket gives it one job a line;
// see ../internal/peers for the protocol. Between jobs every rank blocks in a
// read of its own connection, so that an idle contender burns no CPU: MPI
// libraries poll as long as a rank waits inside them.
#include <mpi.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct job {
  char what[16], collective[16], dtype[16], mode[16], op[16];
  long count;
  int root, warmup, iters;
};

struct type {
  const char *name;
  MPI_Datatype mpi;
  size_t size;
};

static FILE *jobs, *answers; // both are the connection to the driver
static int rank, size;

static void die(const char *what) {
  perror(what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static void dial(const char *path) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof addr.sun_path) {
    fprintf(stderr, "socket path too long: %s\n", path);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  strcpy(addr.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
    die("connecting to the driver");
  jobs = fdopen(fd, "r"), answers = fdopen(dup(fd), "w");
  if (jobs == NULL || answers == NULL)
    die("fdopen");
}

static int find(const char *name, struct type *t) {
  const struct type all[] = {
      {"float", MPI_FLOAT, 4},      {"double", MPI_DOUBLE, 8},
      {"int8", MPI_INT8_T, 1},      {"uint8", MPI_UINT8_T, 1},
      {"int32", MPI_INT32_T, 4},    {"uint32", MPI_UINT32_T, 4},
      {"int64", MPI_INT64_T, 8},    {"uint64", MPI_UINT64_T, 8},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, name) == 0) {
      *t = all[i];
      return 1;
    }
  return 0;
}

// known is element i of rank r: a small integer, so that sums are exact.
// Those before the first are like the ones from it on.
static int known(long i, int r) { return (int)(((i + 3 * (long)r) % 5 + 5) % 5); }

#define EACH_TYPE(X)                                                           \
  X("float", float) X("double", double) X("int8", int8_t) X("uint8", uint8_t)  \
  X("int32", int32_t) X("uint32", uint32_t) X("int64", int64_t)                \
  X("uint64", uint64_t)

static void put(const struct type *t, void *p, long i, int v) {
#define PUT(NAME, T)                                                           \
  if (strcmp(t->name, NAME) == 0)                                              \
    ((T *)p)[i] = (T)v;
  EACH_TYPE(PUT)
}

static int is(const struct type *t, const void *p, long i, int v) {
#define IS(NAME, T)                                                            \
  if (strcmp(t->name, NAME) == 0)                                              \
    return ((const T *)p)[i] == (T)v;
  EACH_TYPE(IS)
  return 0;
}

// does says whether the job's collective is the one of that name.
static int does(const struct job *j, const char *name) { return strcmp(j->collective, name) == 0; }

static MPI_Op op_of(const struct job *j) {
  if (strcmp(j->op, "prod") == 0)
    return MPI_PROD;
  if (strcmp(j->op, "max") == 0)
    return MPI_MAX;
  return strcmp(j->op, "min") == 0 ? MPI_MIN : MPI_SUM;
}

enum { MAX_RANKS = 64 };

// part is how many elements a rank sends to another in an alltoallv, in place as many as it
// gets; what a rank gives in an all_gatherv is what it would send to rank 0. All of a rank's
// parts together have fewer than count elements.
static int part(const struct job *j, int from, int to) {
  if (does(j, "alltoallv") && strcmp(j->mode, "in_place") == 0 && from > to)
    return part(j, to, from);
  return (3 * from + 5 * to + 1) % 4 * (int)(j->count / size / 4);
}

// parts sets the counts and the places of parts that follow each other, of those that
// this rank sends or else of those that it receives, and returns how many elements there
// are in all.
static int parts(const struct job *j, int sent, int counts[MAX_RANKS], int places[MAX_RANKS]) {
  int sum = 0;
  for (int r = 0; r < size; r++) {
    counts[r] = sent ? part(j, rank, r) : part(j, r, does(j, "all_gatherv") ? 0 : rank);
    places[r] = sum;
    sum += counts[r];
  }
  return sum;
}

// The count of a job is that of the whole message; where it is one block per rank, the
// tensors that hold a block have count / size elements. In place, src is dst, and a
// tensor of one block is a part of it where MPI has it so: a reduce_scatter leaves its
// block at the beginning. An MPI broadcast has one buffer, so out of place is the same
// call.
static void call(const struct job *j, const struct type *t, char *dst, char *src) {
  int err, n = (int)j->count, block = n / size, in_place = src == dst;
  int in[MAX_RANKS], in_at[MAX_RANKS], out[MAX_RANKS], out_at[MAX_RANKS];
  parts(j, 0, in, in_at), parts(j, 1, out, out_at);
  MPI_Comm all = MPI_COMM_WORLD;
  MPI_Op op = op_of(j);
  if (does(j, "broadcast"))
    err = MPI_Bcast(dst, n, t->mpi, j->root, all);
  else if (does(j, "all_gather"))
    err = MPI_Allgather(in_place ? MPI_IN_PLACE : src, block, t->mpi, dst, block, t->mpi, all);
  else if (does(j, "alltoall"))
    err = MPI_Alltoall(in_place ? MPI_IN_PLACE : src, block, t->mpi, dst, block, t->mpi, all);
  else if (does(j, "all_gatherv"))
    err = MPI_Allgatherv(in_place ? MPI_IN_PLACE : src, in[rank], t->mpi, dst, in, in_at, t->mpi, all);
  else if (does(j, "alltoallv"))
    err = MPI_Alltoallv(in_place ? MPI_IN_PLACE : src, out, out_at, t->mpi, dst, in, in_at, t->mpi, all);
  else if (does(j, "reduce_scatter"))
    err = MPI_Reduce_scatter_block(in_place ? MPI_IN_PLACE : src, dst, block, t->mpi, op, all);
  else if (does(j, "reduce"))
    err = MPI_Reduce(in_place && rank == j->root ? MPI_IN_PLACE : src, dst, n, t->mpi, op, j->root, all);
  else if (does(j, "gather"))
    err = MPI_Gather(in_place && rank == j->root ? MPI_IN_PLACE : src, block, t->mpi, dst, block, t->mpi, j->root, all);
  else if (does(j, "scatter"))
    err = MPI_Scatter(src, block, t->mpi, in_place && rank == j->root ? MPI_IN_PLACE : dst, block, t->mpi, j->root, all);
  else if (does(j, "sendrecv"))
    err = MPI_Sendrecv(src, n, t->mpi, (rank + 1) % size, 0, dst, n, t->mpi, (rank + size - 1) % size, 0, all, MPI_STATUS_IGNORE);
  else
    err = MPI_Allreduce(in_place ? MPI_IN_PLACE : src, dst, n, t->mpi, op, all);
  if (err != MPI_SUCCESS)
    MPI_Abort(MPI_COMM_WORLD, err);
}

// fill gives both tensors this rank's known elements. Where the own block is a part of
// dst already, it has them as its first.
static void fill(const struct job *j, const struct type *t, char *dst, char *src) {
  long first = 0;
  if (src == dst && (does(j, "all_gather") || (does(j, "gather") && rank == j->root)))
    first = rank * (j->count / size);
  if (src == dst && does(j, "all_gatherv")) {
    int counts[MAX_RANKS], places[MAX_RANKS];
    parts(j, 0, counts, places);
    first = places[rank];
  }
  for (long i = 0; i < j->count; i++) {
    put(t, dst, i, known(i - first, rank));
    put(t, src, i, known(i - first, rank));
  }
}

// results is how many elements of dst the call gives this rank.
static long results(const struct job *j) {
  if ((does(j, "reduce") || does(j, "gather")) && rank != j->root)
    return 0;
  int counts[MAX_RANKS], places[MAX_RANKS];
  if (does(j, "all_gatherv") || does(j, "alltoallv"))
    return parts(j, 0, counts, places);
  return does(j, "reduce_scatter") || does(j, "scatter") ? j->count / size : j->count;
}

// result is where they are: scatter's root keeps its block in src, in place.
static char *result(const struct job *j, const struct type *t, char *dst, char *src) {
  if (does(j, "scatter") && src == dst && rank == j->root)
    return dst + rank * (j->count / size) * t->size;
  return dst;
}

// wanted is element i of this rank's result. All reduce with sum.
static int wanted(const struct job *j, long i) {
  long block = j->count / size, b = block ? i / block : 0;
  int sum = 0;
  if (does(j, "broadcast"))
    return known(i, j->root);
  if (does(j, "all_gather") || does(j, "gather"))
    return known(i - b * block, (int)b);
  if (does(j, "alltoall"))
    return known(rank * block + i - b * block, (int)b);
  if (does(j, "scatter"))
    return known(rank * block + i, j->root);
  if (does(j, "sendrecv"))
    return known(i, (rank + size - 1) % size);
  if (does(j, "reduce_scatter"))
    i += rank * block;
  for (int r = 0; r < size; r++)
    sum += known(i, r);
  return sum;
}

static long verify(const struct job *j, const struct type *t, char *dst, char *src) {
  fill(j, t, dst, src);
  call(j, t, dst, src);
  char *got = result(j, t, dst, src);
  long wrong = 0;
  for (long i = 0; i < results(j); i++)
    wrong += !is(t, got, i, wanted(j, i));
  MPI_Barrier(MPI_COMM_WORLD);
  return wrong;
}

// digest is the FNV-1a hash of this rank's result, for comparison with what others make
// of the same elements.
static uint64_t digest(const struct job *j, const struct type *t, char *dst, char *src) {
  fill(j, t, dst, src);
  call(j, t, dst, src);
  const unsigned char *got = (unsigned char *)result(j, t, dst, src);
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < results(j) * t->size; i++)
    h = (h ^ got[i]) * 1099511628211u;
  MPI_Barrier(MPI_COMM_WORLD);
  return h;
}

static double timed(const struct job *j, const struct type *t, char *dst, char *src) {
  memset(dst, 0, j->count * t->size);
  memset(src, 0, j->count * t->size);
  for (int i = 0; i < j->warmup; i++)
    call(j, t, dst, src);
  MPI_Barrier(MPI_COMM_WORLD);
  double start = MPI_Wtime();
  for (int i = 0; i < j->iters; i++)
    call(j, t, dst, src);
  double seconds = (MPI_Wtime() - start) / j->iters;
  // What is still in this rank's queues needs it inside the library.
  MPI_Barrier(MPI_COMM_WORLD);
  return seconds;
}

static void version(char *out, size_t n) {
  char v[MPI_MAX_LIBRARY_VERSION_STRING];
  int len;
  MPI_Get_library_version(v, &len);
  v[strcspn(v, "\n")] = 0;
  for (char *c = v; *c; c++)
    if (*c == '\t')
      *c = ' ';
  snprintf(out, n, "%.60s", v);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > MAX_RANKS) {
    fprintf(stderr, "more than %d ranks\n", MAX_RANKS);
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  if (argc != 2) {
    fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  dial(argv[1]);
  char about[64];
  version(about, sizeof about);
  fprintf(answers, "hello %d %d %s\n", rank, size, about);
  fflush(answers);

  char *dst = NULL, *src = NULL;
  size_t have = 0;
  char line[4096];
  while (fgets(line, sizeof line, jobs)) {
    struct job j;
    struct type t;
    strcpy(j.op, "sum");
    if (strncmp(line, "digest ", 7) == 0) // digest COLLECTIVE DTYPE COUNT MODE ROOT 0 0 OP
      sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %15s", j.op);
    if (sscanf(line, "%15s %15s %15s %ld %15s %d %d %d", j.what, j.collective, j.dtype, &j.count, j.mode, &j.root,
               &j.warmup, &j.iters) != 8) {
      fprintf(answers, "error not a job: %s", line);
    } else if (!find(j.dtype, &t)) {
      fprintf(answers, "error MPI has no type %s\n", j.dtype);
    } else if (j.count > INT32_MAX) {
      fprintf(answers, "error MPI counts elements with an int\n");
    } else {
      size_t want = j.count * t.size + 1;
      if (want > have) {
        free(dst), free(src);
        dst = malloc(want), src = malloc(want), have = want;
        if (!dst || !src)
          die("allocating tensors");
      }
      char *from = strcmp(j.mode, "in_place") == 0 ? dst : src;
      if (strcmp(j.what, "verify") == 0)
        fprintf(answers, "ok %ld\n", verify(&j, &t, dst, from));
      else if (strcmp(j.what, "digest") == 0)
        fprintf(answers, "ok %016llx\n", (unsigned long long)digest(&j, &t, dst, from));
      else
        fprintf(answers, "ok %.9e\n", timed(&j, &t, dst, from));
    }
    fflush(answers);
  }
  // The driver closes all ranks' connections at once.
  MPI_Finalize();
  return 0;
}
