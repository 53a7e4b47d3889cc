/// The port: what is listened on, what is refused in front of the routes, and draining.
@NullMarked
package dev.llmworker.serving.port;

import org.jspecify.annotations.NullMarked;
