/// Connections: WebSockets, keep-alive, slow clients.
@NullMarked
package dev.llmworker.serving.connection;

import org.jspecify.annotations.NullMarked;
