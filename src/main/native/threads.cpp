#include "threads.h"

#include <utility>

#include "simd.h"

namespace llmworker {

namespace {

// How often a thread looks for work before it sleeps. It takes a few hundred microseconds, as sampling between two steps does.
constexpr int LOOKS = 1 << 13;
// After this many looks, a resting thread lets others run, such as those that send the results of the last step. If each
// processor ran a thread of ours, they would wait for the end of its time slice, which is as long as a step.
constexpr int LOOKS_TO_YIELD = 1 << 7;
// How often a call checks whether its last tasks are done before it lets other processes run. One of them may have displaced a
// thread of ours.
constexpr int PATIENT_LOOKS = 1 << 10;

uint32_t left(uint64_t open) { return static_cast<uint32_t>(open); }

}  // namespace

Threads::Threads(int count) {
  try {
    for (int i = 1; i < count; i++) workers_.emplace_back([this] { work(); });
  } catch (...) {
    close();
    throw;
  }
}

Threads::~Threads() { close(); }

void Threads::close() {
  closed_ = true;
  alarm_++;
  alarm_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Threads::share(Function function, void* context, int tasks) {
  function_.store(function, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  resting_.store(false, std::memory_order_relaxed);
  const uint64_t call = (open_.load(std::memory_order_relaxed) >> 32) + 1;
  // Sequentially consistent, as is the count of sleepers: a thread that goes to sleep sees these tasks, or we see it asleep.
  open_.store(call << 32 | static_cast<uint32_t>(tasks));
  if (sleepers_.load() > 0) {
    alarm_++;
    alarm_.notify_all();
  }
  while (take_one()) {
  }
  for (int looks = 0; done_.load(std::memory_order_acquire) < tasks; looks++) {
    if (looks < PATIENT_LOOKS) {
      pause_in_loop();
    } else {
      std::this_thread::yield();
    }
  }
  if (failed_.load(std::memory_order_relaxed)) {
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

// Takes and runs a task. Returns false if there is none.
bool Threads::take_one() {
  uint64_t open = open_.load(std::memory_order_acquire);
  while (left(open) > 0) {
    const Function function = function_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    // Fails if another call has begun, whose function we may have read.
    if (open_.compare_exchange_weak(open, open - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      try {
        function(context, static_cast<int>(left(open)) - 1);
      } catch (...) {
        if (!failed_.exchange(true, std::memory_order_relaxed)) failure_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
  return false;
}

void Threads::work() {
  int looks = 0;
  while (!closed_.load(std::memory_order_relaxed)) {
    if (take_one()) {
      looks = 0;
    } else if (++looks < LOOKS) {
      if (looks % LOOKS_TO_YIELD == 0 && resting_.load(std::memory_order_relaxed)) {
        std::this_thread::yield();
      } else {
        pause_in_loop();
      }
    } else {
      const uint32_t alarm = alarm_.load();
      sleepers_++;
      if (left(open_.load()) == 0 && !closed_.load()) alarm_.wait(alarm);
      sleepers_--;
      looks = 0;
    }
  }
}

}  // namespace llmworker
