package dev.llmworker.text.jinja;

/// Python's `None`; Java's null is no value of a template.
enum None {
    NONE
}
