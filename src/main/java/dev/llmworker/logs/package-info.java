/// The log: it never blocks its callers, it counts what it drops, and it is written before the process ends.
@NullMarked
package dev.llmworker.logs;

import org.jspecify.annotations.NullMarked;
