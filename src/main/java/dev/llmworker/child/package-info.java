/// The server that `ENGINE_COMMAND` names: its command, its life as a process of ours, and its output.
@NullMarked
package dev.llmworker.child;

import org.jspecify.annotations.NullMarked;
