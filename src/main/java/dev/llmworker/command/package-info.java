/// The worker's commands that do not serve: `--check-model`, `--self-test`, and the AOT training run.
@NullMarked
package dev.llmworker.command;

import org.jspecify.annotations.NullMarked;
