/// What requests ask for: reads their fields, and refuses by name what the worker does not have.
@NullMarked
package dev.llmworker.serving.request;

import org.jspecify.annotations.NullMarked;
