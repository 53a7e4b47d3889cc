/// The families of models: what a file's metadata mean for each, as a description of the layers.
@NullMarked
package dev.llmworker.model.architecture;

import org.jspecify.annotations.NullMarked;
