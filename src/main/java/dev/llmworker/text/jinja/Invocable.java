package dev.llmworker.text.jinja;

/// A value that can be called: a macro, a method or a global function.
@FunctionalInterface
interface Invocable {
    Object call(Arguments arguments);
}
