/// Describes a language model: its configuration, its layers, their kernels, and the memory plan.
@NullMarked
package dev.llmworker.model;

import org.jspecify.annotations.NullMarked;
