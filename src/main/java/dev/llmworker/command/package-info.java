/// What the worker does instead of serving: `--check-model`, `--self-test`, the AOT training run.
@NullMarked
package dev.llmworker.command;

import org.jspecify.annotations.NullMarked;
