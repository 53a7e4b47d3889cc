// AMX is tried where a fault does no harm.
#include "amx.h"

#include "check.h"

void test_amx() {
  using namespace llmworker;
  check(survives([] {}), "nothing faults");
  check(!survives([] { asm volatile("ud2"); }), "an instruction that the CPU does not have ends the child alone");
  check(!survives([] { asm volatile("hlt"); }), "so does one that the system does not permit");
  check(amx_is_usable() == amx_is_usable(), "the answer is the same each time");
}
