// AMX is tried where a fault does no harm.
#include "amx.h"

#include <csignal>

#include "check.h"

void test_amx() {
  using namespace llmworker;
  check(survives([] {}), "nothing faults");
  check(!survives([] { raise(SIGSEGV); }), "a fault ends the child alone");
#if defined(__x86_64__)
  check(!survives([] { asm volatile("ud2"); }), "so does an instruction that the CPU does not have");
  check(!survives([] { asm volatile("hlt"); }), "so does one that the system does not permit");
#elif defined(__aarch64__)
  check(!survives([] { asm volatile("udf #0"); }), "so does an instruction that the CPU does not have");
#endif
  check(amx_is_usable() == amx_is_usable(), "the answer is the same each time");
}
