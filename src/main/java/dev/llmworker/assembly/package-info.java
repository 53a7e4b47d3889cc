/// Builds the object graph: engine, model and platform checks.
@NullMarked
package dev.llmworker.assembly;

import org.jspecify.annotations.NullMarked;
