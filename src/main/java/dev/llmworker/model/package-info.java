/// Describes a language model and its device: the model's configuration, number formats, devices and the memory
/// plan.
@NullMarked
package dev.llmworker.model;

import org.jspecify.annotations.NullMarked;
