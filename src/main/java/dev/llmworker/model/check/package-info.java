/// Checks a loaded decoder: its answers against those of another one, its samples, and its speed.
@NullMarked
package dev.llmworker.model.check;

import org.jspecify.annotations.NullMarked;
