/// OpenAI's API of responses: requests, answers, streams, and responses that are kept.
@NullMarked
package dev.llmworker.serving.responses;

import org.jspecify.annotations.NullMarked;
