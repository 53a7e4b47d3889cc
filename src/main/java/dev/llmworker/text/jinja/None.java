package dev.llmworker.text.jinja;

/// Python's `None`. Java's null is not a value of a template.
enum None {
    NONE
}
