/// The worker: its `main` and the composition root that builds the object graph.
@NullMarked
package dev.llmworker;

import org.jspecify.annotations.NullMarked;
