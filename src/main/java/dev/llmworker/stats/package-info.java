/// Counters and meters of what the worker does.
@NullMarked
package dev.llmworker.stats;

import org.jspecify.annotations.NullMarked;
