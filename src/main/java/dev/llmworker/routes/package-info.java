/// The Camel application: route files, their reload, and the problems in them.
@NullMarked
package dev.llmworker.routes;

import org.jspecify.annotations.NullMarked;
