/// Puts the tensors of a model file into a decoder program: checked, in its order of rows, and in its layouts.
@NullMarked
package dev.llmworker.model.loading;

import org.jspecify.annotations.NullMarked;
