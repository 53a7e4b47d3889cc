// A few threads that share the tasks of one call after the other.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace llmworker {

// Tasks are taken one by one, so a thread that the system has put aside holds up nobody unless it is in a task; a call
// waits for the tasks, not for the threads. Threads look for work for a moment before they sleep, because a step of a model
// is some hundred calls with microseconds between.
//
// Threading: one thread, the same each time or not, makes one call at a time.
class Threads {
 public:
  // count: of threads, the caller's included; at least 1.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(i) for each i of 0 to tasks - 1, on any thread and in any order; returns when all are done.
  template <typename Task>
  void run(int tasks, Task&& task) {
    if (tasks <= 1 || workers_.empty()) {
      for (int i = 0; i < tasks; i++) task(i);
      return;
    }
    using Plain = std::remove_reference_t<Task>;
    share([](void* context, int i) { (*static_cast<Plain*>(context))(i); }, &task, tasks);
  }

  // No call comes for a while, as far as the caller knows: what else is ready to run may have the processors first.
  void rest() { resting_.store(true, std::memory_order_relaxed); }

  // The same for many small pieces of work: neighbours make a task, and each thread gets several of these, so that one that is
  // late keeps the others waiting for little.
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

  // The number of the call in the upper half, how many of its tasks nobody has taken yet in the lower.
  alignas(64) std::atomic<uint64_t> open_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) std::atomic<Function> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  // Workers sleep on this, and are counted while they do.
  alignas(64) std::atomic<uint32_t> alarm_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> resting_{false};
  std::atomic<bool> closed_{false};
  std::vector<std::thread> workers_;
};

}  // namespace llmworker
