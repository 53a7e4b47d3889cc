package dev.llmworker.constraint;

import dev.llmworker.constraint.Expression.Choice;
import dev.llmworker.constraint.Expression.ControlToken;
import dev.llmworker.constraint.Expression.Json;
import dev.llmworker.constraint.Expression.Listing;
import dev.llmworker.constraint.Expression.Literal;
import dev.llmworker.constraint.Expression.Notation;
import dev.llmworker.constraint.Expression.Pattern;
import dev.llmworker.constraint.Expression.Repeat;
import dev.llmworker.constraint.Expression.SchemaText;
import dev.llmworker.constraint.Expression.Sequence;
import dev.llmworker.constraint.Expression.TextUntil;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// Turns an expression into a grammar.
final class ExpressionCompiler {
    private final Grammar.Builder grammar = new Grammar.Builder();
    private final Map<Notation, JsonGrammar> json = new HashMap<>();
    /// By their text: many expressions may be about parts of the same schema.
    private final Map<String, SchemaDocument> documents = new HashMap<>();
    /// All expressions spend from the same.
    private final Work work;

    private ExpressionCompiler(Work work) {
        this.work = work;
    }

    /// @throws ConstraintException if it cannot be enforced
    static Grammar compile(Expression expression) {
        return compile(expression, new Work("$"));
    }

    /// As [Constraints#firstFaulty].
    static OptionalInt firstFaulty(List<Expression> expressions) {
        var work = new Work("$");
        for (var i = 0; i < expressions.size(); i++) {
            try {
                var _ = compile(expressions.get(i), work);
            } catch (ConstraintException _) {
                return work.isSpent() && i > 0 ? OptionalInt.empty() : OptionalInt.of(i);
            }
        }
        return OptionalInt.empty();
    }

    private static Grammar compile(Expression expression, Work work) {
        var compiler = new ExpressionCompiler(work);
        var root = compiler.grammar.node();
        compiler.emit(expression, root, compiler.grammar.end());
        return compiler.grammar.build(root);
    }

    private void emit(Expression expression, int from, int to) {
        switch (expression) {
            case Literal(var text) -> grammar.text(from, text, to);
            case ControlToken(var id) -> grammar.bytes(from, TokenTrie.controlBytes(id), to);
            case Json(var schema, var notation, var pointer) ->
                new JsonSchema(json.computeIfAbsent(notation, n -> new JsonGrammar(grammar, n, work)), document(schema))
                        .emit(from, pointer, to);
            case SchemaText text -> grammar.texts(from, texts(text), to);
            case Pattern(var regex) -> grammar.texts(from, Regex.whole(work.at("regex"), regex), to);
            case TextUntil(var end) -> grammar.texts(from, Dfa.until(end), to);
            case Sequence(var parts) -> {
                var at = from;
                for (var part : parts) {
                    var next = grammar.node();
                    emit(part, at, next);
                    at = next;
                }
                grammar.jump(at, to);
            }
            case Choice(var options) -> emitChoice(options, from, to);
            case Repeat repeat -> emit(repeat, from, to);
            case Listing listing -> emit(listing, from, to);
        }
    }

    private SchemaDocument document(String schema) {
        return documents.computeIfAbsent(schema, text -> new SchemaDocument(text, work));
    }

    private Dfa texts(SchemaText text) {
        var document = document(text.schema());
        var place = document.at(text.pointer());
        var work = document.work(place.path());
        var all = Shape.strings(document, work, List.of(place));
        return text.without().isEmpty() ? all : all.combine(work, Dfa.Operation.AND, Dfa.without(text.without()));
    }

    private void emitChoice(List<Expression> options, int from, int to) {
        var texts = options.stream()
                .filter(Literal.class::isInstance)
                .map(option -> ((Literal) option).text())
                .toList();
        if (!texts.isEmpty()) {
            grammar.texts(from, Dfa.literals(work.at("choice"), texts), to);
        }
        options.stream().filter(option -> !(option instanceof Literal)).forEach(option -> emit(option, from, to));
    }

    private void emit(Repeat repeat, int from, int to) {
        var body = grammar.node();
        emit(repeat.body(), body, grammar.end());
        if (!isEmptyAllowed(repeat.body())) {
            grammar.repeat(from, body, repeat.least(), repeat.most(), to);
        } else if (repeat.most() == Integer.MAX_VALUE) {
            // A body may be empty, so the least number says nothing.
            var loop = grammar.node();
            grammar.jump(from, loop);
            grammar.call(loop, body, loop);
            grammar.jump(loop, to);
        } else {
            throw new IllegalArgumentException("counts what may be empty: " + repeat);
        }
    }

    /// Each item is one part of the grammar, which is called if nothing is before it, and after a separator.
    private void emit(Listing listing, int from, int to) {
        var none = from;
        var some = grammar.node();
        for (var item : listing.items()) {
            var body = grammar.node();
            emit(item.body(), body, grammar.end());
            var separated = grammar.node();
            grammar.text(some, listing.separator(), separated);
            var nextNone = grammar.node();
            var nextSome = grammar.node();
            grammar.call(none, body, nextSome);
            grammar.call(separated, body, nextSome);
            if (!item.isRequired()) {
                grammar.jump(none, nextNone);
                grammar.jump(some, nextSome);
            }
            none = nextNone;
            some = nextSome;
        }
        grammar.jump(none, to);
        grammar.jump(some, to);
    }

    private boolean isEmptyAllowed(Expression expression) {
        return switch (expression) {
            case Literal(var text) -> text.isEmpty();
            case ControlToken _, Json _, TextUntil _ -> false;
            case SchemaText text -> texts(text).accepts(0);
            case Pattern(var regex) -> Regex.whole(work.at("regex"), regex).accepts(0);
            case Sequence(var parts) -> parts.stream().allMatch(this::isEmptyAllowed);
            case Choice(var options) -> options.stream().anyMatch(this::isEmptyAllowed);
            case Repeat repeat -> repeat.least() == 0 || isEmptyAllowed(repeat.body());
            case Listing listing -> listing.items().stream().noneMatch(Listing.Item::isRequired);
        };
    }
}
