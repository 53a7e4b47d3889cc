package dev.llmworker.text.jinja;

/// A value that can be called: a macro, a method of a value, a global function.
@FunctionalInterface
interface Invocable {
    Object call(Arguments arguments);
}
