/// Whose work the engine does next, if several owners of requests wait.
@NullMarked
package dev.llmworker.engine.queue;

import org.jspecify.annotations.NullMarked;
