/// Downloads of files: resumed, checked, bounded in time.
@NullMarked
package dev.llmworker.hub.download;

import org.jspecify.annotations.NullMarked;
