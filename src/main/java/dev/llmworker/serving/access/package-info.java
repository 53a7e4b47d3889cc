/// Who may call: API keys and origins.
@NullMarked
package dev.llmworker.serving.access;

import org.jspecify.annotations.NullMarked;
