/// From the name of a model to its files: paths, caches, downloads.
@NullMarked
package dev.llmworker.hub;

import org.jspecify.annotations.NullMarked;
