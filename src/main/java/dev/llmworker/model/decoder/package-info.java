/// Runs a language model: the decoder programs with their weights and KV cache, and the calls that fill and read it.
@NullMarked
package dev.llmworker.model.decoder;

import org.jspecify.annotations.NullMarked;
