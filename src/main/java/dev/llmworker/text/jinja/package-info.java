/// The part of Jinja that chat templates use. Templates render as with jinja2 in transformers.
///
/// A template comes with a model and is not trusted. It sees only the plain values that it is given, and the functions,
/// filters, tests and methods that this package names. [JinjaLimits] bounds its work.
@NullMarked
package dev.llmworker.text.jinja;

import org.jspecify.annotations.NullMarked;
