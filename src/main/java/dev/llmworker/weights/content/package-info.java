/// What a model file has, whatever its format: metadata and tensors.
@NullMarked
package dev.llmworker.weights.content;

import org.jspecify.annotations.NullMarked;
