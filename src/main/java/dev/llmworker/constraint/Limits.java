package dev.llmworker.constraint;

/// What bounds the time and the memory of a constraint.
final class Limits {
    /// A schema's length.
    static final int SCHEMA_CHARACTERS = 1 << 18;
    /// How deep the JSON of a schema nests.
    static final int SCHEMA_DEPTH = 128;
    /// Nodes of a compiled grammar, all its schemas together.
    static final int GRAMMAR_NODES = 400_000;
    /// Edges between them.
    static final int GRAMMAR_EDGES = 2_000_000;
    /// States of one deterministic automaton: a pattern, a range of numbers, the names of an object.
    static final int AUTOMATON_STATES = 20_000;
    /// Its edges: ranges of characters from one state to another.
    static final int AUTOMATON_EDGES = 1_000_000;
    /// A regular expression's length.
    static final int REGEX_CHARACTERS = 1 << 14;
    /// Nodes that a regular expression becomes, its counted repetitions written out.
    static final int REGEX_NODES = 20_000;
    /// Edges between them.
    static final int REGEX_EDGES = 100_000;
    static final int REGEX_DEPTH = 100;
    /// Steps of compiling a constraint, some second in all.
    static final int COMPILE_STEPS = 20_000_000;
    /// Steps of finding one mask or taking one token.
    static final int TOKEN_STEPS = 100_000;
    /// Bytes of states that one mask or token may add.
    static final long TOKEN_BYTES = 16L << 20;
    /// Ways in which the branches of `anyOf`, `oneOf` and `allOf` combine at one place.
    static final int ALTERNATIVES = 2_000;
    /// How many schemas refer to each other for the same value.
    static final int REFERENCES = 500;
    /// Digits of a number that is compared or divided, and the size of its exponent.
    static final int NUMBER_DIGITS = 100;
    /// The size of the numbers that `multipleOf` counts in.
    static final int MULTIPLE = 10_000;
    /// White space after the end of a line, between two elements of JSON.
    static final int INDENT = 40;
    /// Calls within calls of the grammar at which free JSON opens no more objects and arrays.
    static final int FREE_DEPTH = 200;
    /// Calls within calls of the grammar.
    static final int DEPTH = 2_000;
    /// Places of the grammar at which an answer may be at once.
    static final int PLACES = 20_000;
    /// Bytes of an automaton's states and masks that are kept.
    static final long STATE_BYTES = 16L << 20;
    /// Constraints that are kept.
    static final int KEPT_CONSTRAINTS = 256;

    private Limits() {}
}
