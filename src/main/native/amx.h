// Whether this process can use AMX, the tiles that multiply bfloat16 in blocks.
#pragma once

namespace llmworker {

// CPUID alone does not say so: some hypervisors show the feature and let its first instruction fault, and Linux grants it to a
// process that asks. So this asks, and then tries. Takes no time on a CPU without AMX.
bool amx_is_usable();

// Whether `instructions` end without a fault. They run in a child process.
bool survives(void (*instructions)());

}  // namespace llmworker
