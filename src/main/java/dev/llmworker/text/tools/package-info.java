/// The tools that a request offers to the model, and calls of them.
@NullMarked
package dev.llmworker.text.tools;

import org.jspecify.annotations.NullMarked;
