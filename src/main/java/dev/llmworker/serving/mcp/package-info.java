/// The Model Context Protocol: routes that are tools, for other programs.
@NullMarked
package dev.llmworker.serving.mcp;

import org.jspecify.annotations.NullMarked;
