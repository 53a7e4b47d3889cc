/// The Jinja that chat templates use, rendered as Python's jinja2 renders it in transformers.
///
/// A template comes with a model and is not trusted: it sees only the plain values it is given and the functions,
/// filters, tests and methods named in this package; what it may compute is bounded by [JinjaLimits].
@NullMarked
package dev.llmworker.text.jinja;

import org.jspecify.annotations.NullMarked;
