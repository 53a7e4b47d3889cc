// Runs the kernel tests that the arguments name, or all.
#include <algorithm>

#include "check.h"

int main(int count, char** names) {
  const struct {
    const char* name;
    void (*run)();
  } tests[] = {{"simd", test_simd},         {"matrices", test_matrices}, {"products", test_products}, {"attention", test_attention},
               {"decoder", test_decoder},   {"threads", test_threads},   {"errors", test_errors},
               {"texts", test_texts},       {"ring", test_ring},         {"states", test_states},
               {"copies", test_copies},     {"blocks", test_blocks},
               {"bytes", test_bytes_cache},
               {"bytes, not finite", test_bytes_not_finite},
               {"damaged models", test_damaged_models},
               {"amx", test_amx}};
  for (const auto& test : tests) {
    const auto is_named = [&](const char* name) { return std::strcmp(name, test.name) == 0; };
    if (count > 1 && std::none_of(names + 1, names + count, is_named)) continue;
    const int before = failures;
    test.run();
    std::printf("%-14s %s\n", test.name, failures == before ? "passed" : "FAILED");
  }
  return failures == 0 ? 0 : 1;
}
