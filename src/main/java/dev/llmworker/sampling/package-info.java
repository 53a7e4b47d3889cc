/// Sampling parameters and their bounds.
@NullMarked
package dev.llmworker.sampling;

import org.jspecify.annotations.NullMarked;
