/// The generator interface with its requests and events. It knows token ids and text, but no HTTP and no tensors.
@NullMarked
package dev.llmworker.generation;

import org.jspecify.annotations.NullMarked;
