/// From a request to a stream of text: front door, scheduler, sequences. Knows token ids and text, no HTTP and no
/// tensors.
@NullMarked
package dev.llmworker.generation;

import org.jspecify.annotations.NullMarked;
