/// Builds the object graph: which engine, which model, what the platform says.
@NullMarked
package dev.llmworker.assembly;

import org.jspecify.annotations.NullMarked;
