/// A generation on its way to a client: event streams, whole answers, metering and the log line.
@NullMarked
package dev.llmworker.serving.delivery;

import org.jspecify.annotations.NullMarked;
