/// Conversion between text and token ids: tokenizer, incremental detokenizer, chat template.
@NullMarked
package dev.llmworker.text;

import org.jspecify.annotations.NullMarked;
