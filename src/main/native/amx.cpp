#include "amx.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <initializer_list>

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#endif

namespace llmworker {

#if defined(__linux__) && defined(__x86_64__)

namespace {

// CPUID leaf 7, EDX.
constexpr unsigned AMX_BF16 = 1u << 22;
constexpr unsigned AMX_TILE = 1u << 24;
// CPUID leaf 1, ECX: the system uses XSAVE, and XGETBV can be asked.
constexpr unsigned OSXSAVE = 1u << 27;
// XCR0: the system saves the tiles' configuration (bit 17) and their data (bit 18).
constexpr uint64_t TILES = 3u << 17;

// Linux: Documentation/arch/x86/xstate.rst.
constexpr int ARCH_REQ_XCOMP_PERM = 0x1023;
constexpr int XFEATURE_XTILEDATA = 18;

bool cpu_shows_amx() {
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & OSXSAVE) == 0) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (d & AMX_TILE) != 0 && (d & AMX_BF16) != 0;
}

bool system_saves_tiles() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & TILES) == TILES;
}

bool system_permits_tiles() { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }

// One product of tiles. The bytes are written out: not every compiler knows these instructions.
void multiply_tiles() {
  alignas(64) uint8_t configuration[64] = {};
  configuration[0] = 1;  // palette
  for (int tile = 0; tile < 3; ++tile) {
    configuration[16 + 2 * tile] = 64;  // bytes in a row
    configuration[48 + tile] = 16;      // rows
  }
  asm volatile(
      ".byte 0xc4, 0xe2, 0x78, 0x49, 0x07\n"  // ldtilecfg (%rdi)
      ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n"  // tilezero %tmm0
      ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc8\n"  // tilezero %tmm1
      ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xd0\n"  // tilezero %tmm2
      ".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xc1\n"  // tdpbf16ps %tmm2, %tmm1, %tmm0
      ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0\n"  // tilerelease
      :
      : "D"(configuration)
      : "memory");
}

}  // namespace

bool amx_is_usable() {
  static const bool usable = cpu_shows_amx() && system_saves_tiles() && system_permits_tiles() && survives(multiply_tiles);
  return usable;
}

#else

bool amx_is_usable() { return false; }

#endif

bool survives(void (*instructions)()) {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    // Java's handlers would try to make sense of the fault.
    for (const int fault : {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP}) signal(fault, SIG_DFL);
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    instructions();
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace llmworker
