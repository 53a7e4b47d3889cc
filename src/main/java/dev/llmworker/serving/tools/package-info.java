/// Tools that are routes: which there are, and the loop in which a model calls them.
@NullMarked
package dev.llmworker.serving.tools;

import org.jspecify.annotations.NullMarked;
