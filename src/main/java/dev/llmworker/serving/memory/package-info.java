/// The budget for the memory of all requests under way.
@NullMarked
package dev.llmworker.serving.memory;

import org.jspecify.annotations.NullMarked;
