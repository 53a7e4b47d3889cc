/// Camel's platform-http and vertx-websocket on the port of the worker.
@NullMarked
package dev.llmworker.serving.camel;

import org.jspecify.annotations.NullMarked;
