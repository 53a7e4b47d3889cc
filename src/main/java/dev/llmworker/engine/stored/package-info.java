/// Cached prefixes in files, for the next start of the worker: the folder, the format of a file, and its checks.
@NullMarked
package dev.llmworker.engine.stored;

import org.jspecify.annotations.NullMarked;
