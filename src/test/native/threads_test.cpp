// The pool of threads, and exceptions in its tasks.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "check.h"
#include "threads.h"

using namespace llmworker;

namespace {

void test_every_task_runs_once() {
  for (int count : {1, 2, 5}) {
    Threads threads(count);
    check(threads.count() == count, "the number of threads");
    for (int tasks = 0; tasks < 300; tasks += 1 + tasks / 3) {
      std::vector<int> runs(tasks, 0);
      threads.run(tasks, [&](int i) { runs[i]++; });
      threads.run_together(tasks, [&](int i) { runs[i]++; });
      for (int each : runs) check(each == 2, "a task runs once");
    }
    for (int i = 0; i < 3000; i++) {
      int sums[8] = {};
      threads.run(8, [&](int task) { sums[task] = task + i; });
      for (int task = 0; task < 8; task++) check(sums[task] == task + i, "a call waits for its tasks");
      if (i % 1000 == 0) {
        threads.rest();
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
}

// A task throws on a thread of the pool, while the caller waits in its own task.
void test_an_exception_of_the_pool_reaches_the_caller() {
  Threads threads(3);
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 200; round++) {
    std::atomic<bool> thrown{false};
    check_throws<std::runtime_error>("from the pool", [&] {
      threads.run(50, [&](int) {
        if (std::this_thread::get_id() != caller) {
          thrown = true;
          throw std::runtime_error("from the pool");
        }
        while (!thrown) std::this_thread::yield();
      });
    });
    std::atomic<int> done{0};
    threads.run(50, [&](int) { done++; });
    check(done == 50, "the pool works after an exception");
  }
}

void test_an_exception_of_the_caller_reaches_the_caller() {
  for (int count : {1, 4}) {
    Threads threads(count);
    for (int tasks : {1, 20}) {
      check_throws<std::runtime_error>("task 0", [&] {
        threads.run(tasks, [&](int i) {
          if (i == 0) throw std::runtime_error("task 0");
        });
      });
    }
    check_throws<std::out_of_range>("all", [&] { threads.run_together(1000, [](int) { throw std::out_of_range("all"); }); });
  }
}

// In a process of its own, which has too little address space for the stacks of so many threads. Sanitizers reserve more.
void test_a_pool_that_cannot_be_made_throws() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{size_t{1} << 30, size_t{1} << 30};
    setrlimit(RLIMIT_AS, &limit);
    // An emulator may ignore the limit.
    if (mmap(nullptr, size_t{2} << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED) _exit(43);
    try {
      Threads threads(2000);
    } catch (const std::system_error&) {
      _exit(42);
    }
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 43) {
    std::printf("skipped: a pool that cannot be made throws; nothing limits the address space here\n");
    return;
  }
  check(WIFEXITED(status) && WEXITSTATUS(status) == 42, "a pool that cannot be made throws");
#endif
}

}  // namespace

void test_threads() {
  test_a_pool_that_cannot_be_made_throws();
  test_every_task_runs_once();
  test_an_exception_of_the_pool_reaches_the_caller();
  test_an_exception_of_the_caller_reaches_the_caller();
}
