/// The language model on its device: decoder program, weight packing, KV cache. The only package that knows DJL's
/// tensors.
@NullMarked
package dev.llmworker.model;

import org.jspecify.annotations.NullMarked;
