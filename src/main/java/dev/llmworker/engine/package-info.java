/// The generator of this process: scheduler, sequences, prefix cache, admission. One thread steps it.
@NullMarked
package dev.llmworker.engine;

import org.jspecify.annotations.NullMarked;
