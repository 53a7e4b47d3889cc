package dev.llmworker.constraint;

import dev.llmworker.constraint.Expression.Choice;
import dev.llmworker.constraint.Expression.ControlToken;
import dev.llmworker.constraint.Expression.Json;
import dev.llmworker.constraint.Expression.Literal;
import dev.llmworker.constraint.Expression.Pattern;
import dev.llmworker.constraint.Expression.Repeat;
import dev.llmworker.constraint.Expression.SchemaText;
import dev.llmworker.constraint.Expression.Sequence;
import dev.llmworker.constraint.Expression.Spacing;
import dev.llmworker.constraint.Expression.TextUntil;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/// Turns an expression into a grammar.
final class ExpressionCompiler {
    private final Grammar.Builder grammar = new Grammar.Builder();
    private final Map<Spacing, JsonGrammar> json = new EnumMap<>(Spacing.class);

    private ExpressionCompiler() {}

    /// @throws ConstraintException if it cannot be enforced
    static Grammar compile(Expression expression) {
        var compiler = new ExpressionCompiler();
        var root = compiler.grammar.node();
        compiler.emit(expression, root, compiler.grammar.end());
        return compiler.grammar.build(root);
    }

    private void emit(Expression expression, int from, int to) {
        switch (expression) {
            case Literal(var text) -> grammar.text(from, text, to);
            case ControlToken(var id) -> grammar.bytes(from, TokenTrie.controlBytes(id), to);
            case Json(var schema, var spacing, var pointer) ->
                new JsonSchema(json.computeIfAbsent(spacing, s -> new JsonGrammar(grammar, s)), schema)
                        .emit(from, pointer, to);
            case SchemaText text -> grammar.texts(from, texts(text), to);
            case Pattern(var regex) -> grammar.texts(from, Regex.whole(new Work("regex"), regex), to);
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
        }
    }

    private static Dfa texts(SchemaText text) {
        var document = new SchemaDocument(text.schema());
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
            grammar.texts(from, Dfa.literals(new Work("choice"), texts), to);
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

    private static boolean isEmptyAllowed(Expression expression) {
        return switch (expression) {
            case Literal(var text) -> text.isEmpty();
            case ControlToken _, Json _, TextUntil _ -> false;
            case SchemaText text -> texts(text).accepts(0);
            case Pattern(var regex) -> Regex.whole(new Work("regex"), regex).accepts(0);
            case Sequence(var parts) -> parts.stream().allMatch(ExpressionCompiler::isEmptyAllowed);
            case Choice(var options) -> options.stream().anyMatch(ExpressionCompiler::isEmptyAllowed);
            case Repeat repeat -> repeat.least() == 0 || isEmptyAllowed(repeat.body());
        };
    }
}
