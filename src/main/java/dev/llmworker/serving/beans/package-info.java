/// The beans that YAML routes name.
@NullMarked
package dev.llmworker.serving.beans;

import org.jspecify.annotations.NullMarked;
