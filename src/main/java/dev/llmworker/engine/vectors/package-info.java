/// Vectors of texts: which texts run in a step of the engine.
@NullMarked
package dev.llmworker.engine.vectors;

import org.jspecify.annotations.NullMarked;
