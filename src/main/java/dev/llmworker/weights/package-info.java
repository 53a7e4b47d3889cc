/// Reads model files in GGUF and safetensors, mapped into memory and checked.
@NullMarked
package dev.llmworker.weights;

import org.jspecify.annotations.NullMarked;
