/// The one table of settings, their values from the environment and `application.properties`, and the log's set-up.
@NullMarked
package dev.llmworker.settings;

import org.jspecify.annotations.NullMarked;
