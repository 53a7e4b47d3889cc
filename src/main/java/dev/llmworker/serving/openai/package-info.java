/// OpenAI's API: requests, answers, streams, and requests relayed to another server.
@NullMarked
package dev.llmworker.serving.openai;

import org.jspecify.annotations.NullMarked;
