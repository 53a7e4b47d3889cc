/// Anthropic's API: requests, answers and streams.
@NullMarked
package dev.llmworker.serving.anthropic;

import org.jspecify.annotations.NullMarked;
