#include "threads.h"

#include "simd.h"

namespace llmworker {

namespace {

// How often a thread looks before it sleeps: a few hundred microseconds, what the sampling between two steps takes.
constexpr int LOOKS = 1 << 13;
// After so many looks a thread that rests lets others run, such as those that send what the last step gave: woken while each
// processor has a thread of ours, they would wait for the end of its time slice, as long as a step.
constexpr int LOOKS_TO_YIELD = 1 << 7;
// How often a call looks whether its last tasks are done before it lets other processes run, which may have put a thread of
// ours aside.
constexpr int PATIENT_LOOKS = 1 << 10;

uint32_t left(uint64_t open) { return static_cast<uint32_t>(open); }

}  // namespace

Threads::Threads(int count) {
  for (int i = 1; i < count; i++) workers_.emplace_back([this] { work(); });
}

Threads::~Threads() {
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
  // Sequentially consistent, as is the count of sleepers: a thread that goes to sleep sees these tasks or is seen asleep.
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
}

// Whether there was a task to do.
bool Threads::take_one() {
  uint64_t open = open_.load(std::memory_order_acquire);
  while (left(open) > 0) {
    const Function function = function_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    // Fails where the call is another one by now, whose function may be what was read.
    if (open_.compare_exchange_weak(open, open - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      function(context, static_cast<int>(left(open)) - 1);
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
