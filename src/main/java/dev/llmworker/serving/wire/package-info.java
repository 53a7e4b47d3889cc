/// JSON in and out, and errors.
@NullMarked
package dev.llmworker.serving.wire;

import org.jspecify.annotations.NullMarked;
