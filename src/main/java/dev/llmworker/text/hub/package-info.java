/// Tokenizers from the files of a model on a Hugging Face hub.
@NullMarked
package dev.llmworker.text.hub;

import org.jspecify.annotations.NullMarked;
