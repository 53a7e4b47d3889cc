/// Text files that people write by hand, on any system.
@NullMarked
package dev.llmworker.files;

import org.jspecify.annotations.NullMarked;
