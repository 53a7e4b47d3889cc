/// The Camel component `llm:`.
@NullMarked
package dev.llmworker.serving.llm;

import org.jspecify.annotations.NullMarked;
