/// The formats in which models write answers: text, reasoning and calls of tools. Takes answers apart, checks them,
/// and makes the grammars that constrain them.
@NullMarked
package dev.llmworker.text.answer;

import org.jspecify.annotations.NullMarked;
