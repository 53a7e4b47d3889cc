// A pool of threads that share the tasks of one call at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace llmworker {

// Threads take tasks one by one. A call waits for the tasks, not for the threads, so a thread that the system has suspended
// delays nobody unless it is in a task. Threads look for work for a moment before they sleep, because a step of a model makes
// some hundred calls with microseconds between them.
//
// Threading: one call at a time, from any thread.
class Threads {
 public:
  // count: threads, including the caller's; at least 1. Throws std::system_error if the system has no threads left.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(i) for each i of 0 to tasks - 1, on any thread and in any order. Returns when all are done. If tasks throw, one
  // of their exceptions is thrown here once no thread is in a task any more; other tasks may or may not have run.
  template <typename Task>
  void run(int tasks, Task&& task) {
    if (tasks <= 1 || workers_.empty()) {
      for (int i = 0; i < tasks; i++) task(i);
      return;
    }
    using Plain = std::remove_reference_t<Task>;
    share([](void* context, int i) { (*static_cast<Plain*>(context))(i); }, &task, tasks);
  }

  // Lets other programs' threads run before those of this pool, until the next call. The caller expects none for a while.
  void rest() { resting_.store(true, std::memory_order_relaxed); }

  // The same for many small pieces of work. Neighbouring pieces form a task. Each thread gets several tasks, so that a slow
  // thread delays the others only a little.
  template <typename Piece>
  void run_together(int pieces, Piece&& piece) {
    const int each = std::max(1, pieces / (count() * 8));
    run((pieces + each - 1) / each, [&](int task) {
      const int end = std::min(pieces, (task + 1) * each);
      for (int i = task * each; i < end; i++) piece(i);
    });
  }

 private:
  using Function = void (*)(void* context, int task);

  void share(Function function, void* context, int tasks);
  bool take_one();
  void work();
  void close();

  // Upper half: the number of the call. Lower half: how many of its tasks are not taken yet.
  alignas(64) std::atomic<uint64_t> open_{0};
  alignas(64) std::atomic<int> done_{0};
  // Whether a task of the call has thrown. The first one to do so sets failure_ before it counts as done.
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
  alignas(64) std::atomic<Function> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  // Workers sleep on alarm_; sleepers_ counts them.
  alignas(64) std::atomic<uint32_t> alarm_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> resting_{false};
  std::atomic<bool> closed_{false};
  std::vector<std::thread> workers_;
};

}  // namespace llmworker
