/// Model files, mapped and checked: GGUF.
@NullMarked
package dev.llmworker.weights;

import org.jspecify.annotations.NullMarked;
