package dev.llmworker.text.jinja;

/// A variable, attribute or element that does not exist. It prints as an empty text; any other use is an error.
///
/// @param complaint the error's message
record Undefined(String complaint) {}
