/// All that knows Camel, Vert.x and the wire: processors, JSON, token streams, the shared port.
@NullMarked
package dev.llmworker.serving;

import org.jspecify.annotations.NullMarked;
