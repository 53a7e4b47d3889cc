/// Settings from the environment and `application.properties`, and logging.
@NullMarked
package dev.llmworker.settings;

import org.jspecify.annotations.NullMarked;
