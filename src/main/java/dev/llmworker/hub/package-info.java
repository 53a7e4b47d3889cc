/// Finds a model's files by its name: paths, caches, downloads.
@NullMarked
package dev.llmworker.hub;

import org.jspecify.annotations.NullMarked;
