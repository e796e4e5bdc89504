// One rank of the Gloo contender, over TCP on the loopback interface. See
// ../internal/peers for the protocol that its driver speaks.
#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/config.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Job {
  std::string what, collective, dtype, mode;
  long count;
  int root, warmup, iters;
};

using Context = std::shared_ptr<gloo::rendezvous::Context>;

int dial(const char* path) {
  sockaddr_un addr{};
  addr.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof addr.sun_path) throw std::runtime_error("socket path too long");
  std::strcpy(addr.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&addr), sizeof addr) != 0)
    throw std::runtime_error("connecting to the driver failed");
  return fd;
}

void barrier(const Context& context) {
  gloo::BarrierOptions options(context);
  gloo::barrier(options);
}

// known is element i of rank r: a small integer, so that sums are exact.
int known(long i, int r) { return static_cast<int>((i + 3L * r) % 5); }

template <typename T>
class Tensors {
 public:
  Tensors(const Context& context, const Job& job)
      : context_(context), job_(job), dst_(job.count), src_(inPlace() ? 0 : job.count) {}

  bool inPlace() const { return job_.mode == "in_place"; }
  bool broadcast() const { return job_.collective == "broadcast"; }

  // algorithms are what Gloo offers for the job.
  std::vector<std::function<void()>> algorithms() {
    using Options = gloo::AllreduceOptions;
    if (broadcast())
      return {[this] {
        gloo::BroadcastOptions options(context_);
        if (!inPlace() && context_->rank == job_.root) options.setInput(src_.data(), src_.size());
        options.setOutput(dst_.data(), dst_.size());
        options.setRoot(job_.root);
        gloo::broadcast(options);
      }};
    std::vector<std::function<void()>> all;
    for (auto algorithm : {Options::Algorithm::RING, Options::Algorithm::BCUBE})
      all.push_back([this, algorithm] {
        Options options(context_);
        options.setAlgorithm(algorithm);
        if (!inPlace()) options.setInput(src_.data(), src_.size());
        options.setOutput(dst_.data(), dst_.size());
        options.setReduceFunction(static_cast<void (*)(void*, const void*, const void*, size_t)>(&gloo::sum<T>));
        gloo::allreduce(options);
      });
    if (inPlace()) {  // the algorithm of the older interface, which has no other form
      halving_ = std::make_unique<gloo::AllreduceHalvingDoubling<T>>(context_, std::vector<T*>{dst_.data()}, dst_.size());
      all.push_back([this] { halving_->run(); });
    }
    return all;
  }

  long verify() {
    long wrong = 0;
    for (auto& run : algorithms()) {
      for (size_t i = 0; i < dst_.size(); i++) dst_[i] = static_cast<T>(known(i, context_->rank));
      for (size_t i = 0; i < src_.size(); i++) src_[i] = static_cast<T>(known(i, context_->rank));
      run();
      for (size_t i = 0; i < dst_.size(); i++) {
        int want = broadcast() ? known(i, job_.root) : 0;
        for (int r = 0; !broadcast() && r < context_->size; r++) want += known(i, r);
        wrong += dst_[i] != static_cast<T>(want);
      }
      barrier(context_);
    }
    return wrong;
  }

  // timed is the time of algorithm which.
  double timed(size_t which) {
    auto all = algorithms();
    auto& run = all[which % all.size()];
    std::fill(dst_.begin(), dst_.end(), T(0));
    for (int i = 0; i < job_.warmup; i++) run();
    barrier(context_);
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < job_.iters; i++) run();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    barrier(context_);
    return took.count() / job_.iters;
  }

  // best is the fastest algorithm on the rank where each is slowest, in the best
  // of a few attempts.
  size_t best() {
    size_t n = algorithms().size();
    std::vector<double> times(n, 1e9);
    for (int attempt = 0; attempt < 3; attempt++)
      for (size_t i = 0; i < n; i++) times[i] = std::min(times[i], timed(i));
    gloo::AllreduceOptions options(context_);
    options.setOutput(times.data(), times.size());
    options.setReduceFunction(static_cast<void (*)(void*, const void*, const void*, size_t)>(&gloo::max<double>));
    gloo::allreduce(options);
    return std::min_element(times.begin(), times.end()) - times.begin();
  }

 private:
  Context context_;
  Job job_;
  std::vector<T> dst_, src_;
  std::unique_ptr<gloo::AllreduceHalvingDoubling<T>> halving_;
};

template <typename T>
std::string answer(const Context& context, const Job& job) {
  static std::map<std::string, size_t> chosen;
  Tensors<T> tensors(context, job);
  char text[64];
  if (job.what == "verify") {
    std::snprintf(text, sizeof text, "ok %ld\n", tensors.verify());
    return text;
  }
  // The choice falls once per kind of job; all ranks make the same.
  auto key = job.collective + " " + job.dtype + " " + job.mode + " " + std::to_string(job.count);
  if (!chosen.count(key)) chosen[key] = tensors.best();
  std::snprintf(text, sizeof text, "ok %.9e\n", tensors.timed(chosen[key]));
  return text;
}

std::string handle(const Context& context, const std::string& line) {
  Job j;
  std::istringstream in(line);
  if (!(in >> j.what >> j.collective >> j.dtype >> j.count >> j.mode >> j.root >> j.warmup >> j.iters))
    return "error not a job: " + line;
  if (j.dtype == "float") return answer<float>(context, j);
  if (j.dtype == "double") return answer<double>(context, j);
  if (j.dtype == "int8") return answer<int8_t>(context, j);
  if (j.dtype == "uint8") return answer<uint8_t>(context, j);
  if (j.dtype == "int32") return answer<int32_t>(context, j);
  if (j.dtype == "uint32") return answer<uint32_t>(context, j);
  if (j.dtype == "int64") return answer<int64_t>(context, j);
  if (j.dtype == "uint64") return answer<uint64_t>(context, j);
  return "error the Gloo contender has no type " + j.dtype + "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "usage: gloo SOCKET RANK SIZE FOLDER\n";
    return 2;
  }
  gloo::transport::tcp::attr attr;
  attr.iface = "lo";
  auto device = gloo::transport::tcp::CreateDevice(attr);
  auto context = std::make_shared<gloo::rendezvous::Context>(std::atoi(argv[2]), std::atoi(argv[3]));
  gloo::rendezvous::FileStore store(argv[4]);
  context->connectFullMesh(store, device);

  int fd = dial(argv[1]);
  FILE *jobs = fdopen(fd, "r"), *answers = fdopen(dup(fd), "w");
  std::fprintf(answers, "hello %d %d Gloo %d.%d.%d\n", context->rank, context->size, GLOO_VERSION_MAJOR, GLOO_VERSION_MINOR,
               GLOO_VERSION_PATCH);
  std::fflush(answers);
  char line[4096];
  while (std::fgets(line, sizeof line, jobs)) {
    std::fputs(handle(context, line).c_str(), answers);
    std::fflush(answers);
  }
  std::_Exit(0);  // the others may be gone already, which is no error here
} catch (const std::exception& e) {
  std::cerr << "gloo: " << e.what() << "\n";
  return 1;
}
