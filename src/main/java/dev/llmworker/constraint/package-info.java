/// Structured output: JSON schemas, regular expressions, choices and the formats of tool calls become an
/// automaton over bytes, which says which tokens may come next. It knows no other package: a vocabulary is
/// bytes by token id.
@NullMarked
package dev.llmworker.constraint;

import org.jspecify.annotations.NullMarked;
