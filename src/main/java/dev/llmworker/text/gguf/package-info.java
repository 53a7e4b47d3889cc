/// Tokenizers from the metadata of a GGUF file.
@NullMarked
package dev.llmworker.text.gguf;

import org.jspecify.annotations.NullMarked;
