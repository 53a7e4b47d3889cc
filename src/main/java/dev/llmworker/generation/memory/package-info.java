/// The memory that the events of an answer take until they are read.
@NullMarked
package dev.llmworker.generation.memory;

import org.jspecify.annotations.NullMarked;
