/// The machine that a model runs on: its processors and graphics cards, their memory, and libtorch, which computes
/// there.
@NullMarked
package dev.llmworker.model.device;

import org.jspecify.annotations.NullMarked;
