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
  char what[16], collective[16], dtype[16], mode[16];
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
static int known(long i, int r) { return (int)((i + 3 * (long)r) % 5); }

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

// An MPI broadcast has one buffer, so out of place is the same call.
static void call(const struct job *j, const struct type *t, void *dst, void *src) {
  int err;
  if (strcmp(j->collective, "broadcast") == 0)
    err = MPI_Bcast(dst, (int)j->count, t->mpi, j->root, MPI_COMM_WORLD);
  else
    err = MPI_Allreduce(src == dst ? MPI_IN_PLACE : src, dst, (int)j->count, t->mpi, MPI_SUM, MPI_COMM_WORLD);
  if (err != MPI_SUCCESS)
    MPI_Abort(MPI_COMM_WORLD, err);
}

static long verify(const struct job *j, const struct type *t, void *dst, void *src) {
  int bcast = strcmp(j->collective, "broadcast") == 0;
  for (long i = 0; i < j->count; i++) {
    put(t, dst, i, known(i, rank));
    put(t, src, i, known(i, rank));
  }
  call(j, t, dst, src);
  long wrong = 0;
  for (long i = 0; i < j->count; i++) {
    int want = 0;
    if (bcast)
      want = known(i, j->root);
    else
      for (int r = 0; r < size; r++)
        want += known(i, r);
    wrong += !is(t, dst, i, want);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  return wrong;
}

static double timed(const struct job *j, const struct type *t, void *dst, void *src) {
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
      void *from = strcmp(j.mode, "in_place") == 0 ? dst : src;
      if (strcmp(j.what, "verify") == 0)
        fprintf(answers, "ok %ld\n", verify(&j, &t, dst, from));
      else
        fprintf(answers, "ok %.9e\n", timed(&j, &t, dst, from));
    }
    fflush(answers);
  }
  // The driver closes all ranks' connections at once.
  MPI_Finalize();
  return 0;
}
