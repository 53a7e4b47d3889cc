/// Progress of long work, on a terminal and in the log.
@NullMarked
package dev.llmworker.hub.progress;

import org.jspecify.annotations.NullMarked;
