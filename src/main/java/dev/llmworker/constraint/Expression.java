package dev.llmworker.constraint;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/// What an answer must look like. Formats of tool calls are put together from these.
///
/// Expressions are values: two of the same parts are equal, and compile to the same cached [Constraint].
public sealed interface Expression {
    /// White space between the elements of JSON.
    enum Spacing {
        /// One space, or the end of a line and an indent. So a model may write JSON in one line or in many, as
        /// it has learnt it, but not white space for ever.
        LIMITED,
        /// None.
        NONE
    }

    /// How JSON's values are written.
    sealed interface Notation {
        /// As JSON.
        record Plain(Spacing spacing) implements Notation {}

        /// As Python: strings may have quotes of either kind, and `None`, `True` and `False` are words
        /// beside JSON's.
        record Python() implements Notation {}

        /// Without white space. Names of members have no quotes: see [#BARE_NAME]. Strings have quotes of their
        /// own, and no escapes.
        ///
        /// @param quote a [Literal] or a [ControlToken]
        record Bare(Expression quote) implements Notation {}
    }

    /// The names that can be written without quotes, as a regular expression: no mark of a notation is in them, and
    /// no space is at either end.
    String BARE_NAME = bareName("[^<>\"':,{}\\x00-\\x20\\x7f\\uFDD0-\\uFDEF]+");

    /// The pointer to all of a schema.
    String WHOLE = "#";

    /// The longest schema.
    int MAX_SCHEMA_CHARACTERS = Limits.SCHEMA_CHARACTERS;

    /// Exactly this text.
    record Literal(String text) implements Expression {}

    /// A control token, such as the one that begins a tool call. It has no text.
    record ControlToken(int id) implements Expression {}

    /// A JSON value that a schema allows.
    ///
    /// @param schema a JSON schema as JSON text
    /// @param pointer the part of it that counts, such as `#/properties/a`; `#` for the whole
    record Json(String schema, Notation notation, String pointer) implements Expression {
        public Json(String schema, Spacing spacing) {
            this(schema, new Notation.Plain(spacing), WHOLE);
        }

        public Json(String schema) {
            this(schema, Spacing.LIMITED);
        }
    }

    /// A string that a schema allows, without quotes and escapes.
    ///
    /// @param schema a JSON schema as JSON text
    /// @param pointer the part of it that counts
    /// @param without is not in the text; empty if everything may be
    record SchemaText(String schema, String pointer, String without) implements Expression {}

    /// A text that a regular expression matches as a whole.
    record Pattern(String regex) implements Expression {}

    /// Any text up to and with the first `end` in it.
    record TextUntil(String end) implements Expression {
        public TextUntil {
            if (end.isEmpty()) {
                throw new IllegalArgumentException("the end of a text is empty");
            }
        }
    }

    /// One after the other.
    record Sequence(List<Expression> parts) implements Expression {
        public Sequence {
            parts = List.copyOf(parts);
        }
    }

    /// One of them.
    record Choice(List<Expression> options) implements Expression {
        public Choice {
            options = List.copyOf(options);
        }
    }

    /// Several times.
    ///
    /// @param most [Integer#MAX_VALUE] for no limit
    record Repeat(Expression body, int least, int most) implements Expression {
        public Repeat {
            if (least < 0 || most < least) {
                throw new IllegalArgumentException("repeats from " + least + " to " + most + " times");
            }
        }
    }

    /// Some of these in order, with a separator between them.
    record Listing(String separator, List<Item> items) implements Expression {
        public Listing {
            items = List.copyOf(items);
        }

        /// @param body is not empty
        public record Item(Expression body, boolean isRequired) {}
    }

    /// The length of its texts. A text counts once, in however many parts it is: each argument of a tool has the
    /// whole schema.
    default long characters() {
        Set<String> texts = Collections.newSetFromMap(new IdentityHashMap<>());
        collect(texts);
        return texts.stream().mapToLong(String::length).sum();
    }

    private void collect(Set<String> texts) {
        switch (this) {
            case Literal(var text) -> texts.add(text);
            case ControlToken _ -> {}
            case Json json -> texts.add(json.schema());
            case SchemaText text -> texts.add(text.schema());
            case Pattern(var regex) -> texts.add(regex);
            case TextUntil(var end) -> texts.add(end);
            case Sequence(var parts) -> parts.forEach(part -> part.collect(texts));
            case Choice(var options) -> options.forEach(option -> option.collect(texts));
            case Repeat repeat -> repeat.body().collect(texts);
            case Listing(var separator, var items) -> {
                texts.add(separator);
                items.forEach(item -> item.body().collect(texts));
            }
        }
    }

    static Expression literal(String text) {
        return new Literal(text);
    }

    static Expression sequence(Expression... parts) {
        return new Sequence(List.of(parts));
    }

    static Expression choice(Expression... options) {
        return new Choice(List.of(options));
    }

    private static String bareName(String word) {
        return word + "( +" + word + ")*";
    }

    /// One of these texts.
    static Expression choice(List<String> texts) {
        return new Choice(texts.stream().<Expression>map(Literal::new).toList());
    }

    static Expression optional(Expression body) {
        return new Repeat(body, 0, 1);
    }

    /// Any JSON object.
    static Expression jsonObject() {
        return new Json("{\"type\":\"object\"}");
    }
}
