package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Expression.Filter;
import dev.llmworker.text.jinja.Macro.Parameter;
import dev.llmworker.text.jinja.Statement.Block;
import dev.llmworker.text.jinja.Statement.Flow;
import dev.llmworker.text.jinja.Statement.Line;
import dev.llmworker.text.jinja.Statement.Target;
import dev.llmworker.text.jinja.Tokens.Kind;
import dev.llmworker.text.jinja.Values.Loop;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Parses a template's statements, and the names and namespace attributes that they set.
final class StatementParser {
    private final Tokens tokens;
    private final ExpressionParser expressions;
    private int loops;

    private StatementParser(Tokens tokens) {
        this.tokens = tokens;
        this.expressions = new ExpressionParser(tokens);
    }

    static Block parse(String template) {
        return new StatementParser(new Tokens(template)).statements(Set.of());
    }

    /// Parses statements up to a tag with one of these names, and stops at that name. Without names, parses to the end.
    private Block statements(Set<String> ends) {
        tokens.enter();
        var lines = new ArrayList<Line>();
        while (true) {
            var token = tokens.next();
            switch (token.kind()) {
                case TEXT -> lines.add(new Line(token.line(), verbatim(token.text())));
                case OUTPUT_BEGIN -> {
                    lines.add(new Line(token.line(), output(expressions.tuple(true))));
                    tokens.expect(Kind.OUTPUT_END);
                }
                case TAG_BEGIN -> {
                    var tag = tokens.current();
                    if (tag.isOneOf(ends)) {
                        tokens.leave();
                        return new Block(lines);
                    }
                    lines.add(new Line(tag.line(), statement()));
                    tokens.expect(Kind.TAG_END);
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw tokens.fault("the template ends within a block; expected " + String.join(" or ", ends));
                    }
                    tokens.leave();
                    return new Block(lines);
                }
                default -> throw token.unexpected();
            }
        }
    }

    private static Statement verbatim(String text) {
        return (_, out) -> {
            out.append(text);
            return Flow.ON;
        };
    }

    private static Statement output(Expression value) {
        return (scope, out) -> {
            out.append(Printing.str(scope.budget(), value.value(scope)));
            return Flow.ON;
        };
    }

    private Statement statement() {
        int line = tokens.current().line();
        var tag = tokens.expectName();
        return switch (tag) {
            case "if" -> condition();
            case "for" -> loop();
            case "set" -> assignment();
            case "macro" -> macro();
            case "filter" -> {
                var filters = new ArrayList<>(List.of(expressions.filter()));
                filters.addAll(filters());
                yield output(filtered(filters, block("endfilter")));
            }
            // Marks text for training. Here it is only a scope.
            case "generation" -> output(filtered(List.of(), block("endgeneration")));
            case "break", "continue" -> {
                if (loops == 0) {
                    throw JinjaException.at(line, "'" + tag + "' outside loop");
                }
                yield (_, _) -> tag.equals("break") ? Flow.BREAK : Flow.CONTINUE;
            }
            default -> throw JinjaException.at(line, "unknown or misplaced tag '" + tag + "'");
        };
    }

    /// Parses the end of the current tag, and the statements up to a tag with one of these names.
    private Block body(String... ends) {
        tokens.skip(":");
        tokens.expect(Kind.TAG_END);
        return statements(Set.of(ends));
    }

    /// Parses a body and moves past the name that ends it.
    private Block block(String end) {
        var body = body(end);
        tokens.next();
        return body;
    }

    private Statement condition() {
        record Branch(Expression condition, Block body) {}
        var branches = new ArrayList<Branch>();
        String end;
        do {
            branches.add(new Branch(expressions.tuple(false), body("elif", "else", "endif")));
            end = tokens.next().text();
        } while (end.equals("elif"));
        var otherwise = end.equals("else") ? block("endif") : Block.EMPTY;
        return (scope, out) -> {
            for (var branch : branches) {
                if (branch.condition().isTrue(scope)) {
                    return branch.body().execute(scope, out);
                }
            }
            return otherwise.execute(scope, out);
        };
    }

    private Statement loop() {
        if (tokens.current().is("loop")) {
            throw tokens.fault("can't assign to the special variable loop of a loop");
        }
        var target = target(false);
        tokens.expect("in");
        var items = expressions.tuple(false);
        var filter = tokens.skip("if") ? expressions.expression() : null;
        if (tokens.current().is("recursive")) {
            throw tokens.fault("recursive loops are not supported");
        }
        loops++;
        var body = body("endfor", "else");
        loops--;
        var otherwise = tokens.next().text().equals("else") ? block("endfor") : Block.EMPTY;
        return (scope, out) -> {
            var selected = selected(Values.items(scope.budget(), items.value(scope)), target, filter, scope);
            if (selected.isEmpty()) {
                return otherwise.execute(new Scope(scope), out);
            }
            var loop = new Loop(selected);
            for (var item = loop.advance(); item != null; item = loop.advance()) {
                // Variables that an iteration sets are gone after it.
                var round = new Scope(scope);
                round.set("loop", loop);
                target.set(round, item);
                if (body.execute(round, out) == Flow.BREAK) {
                    break;
                }
            }
            return Flow.ON;
        };
    }

    private static List<Object> selected(List<Object> items, Target target, @Nullable Expression filter, Scope scope) {
        if (filter == null) {
            return items;
        }
        var selected = new ArrayList<Object>();
        for (var item : items) {
            var test = new Scope(scope);
            target.set(test, item);
            if (filter.isTrue(test)) {
                selected.add(item);
            }
        }
        return selected;
    }

    private Statement assignment() {
        var target = target(true);
        var value = tokens.skip("=") ? expressions.tuple(true) : filtered(filters(), block("endset"));
        return (scope, _) -> {
            target.set(scope, value.value(scope));
            return Flow.ON;
        };
    }

    private List<Filter> filters() {
        var filters = new ArrayList<Filter>();
        while (tokens.skip("|")) {
            filters.add(expressions.filter());
        }
        return filters;
    }

    /// The text of a block after these filters.
    private static Expression filtered(List<Filter> filters, Block body) {
        return scope -> {
            Object value = body.text(new Scope(scope));
            for (var filter : filters) {
                value = filter.apply(value, scope);
            }
            return value;
        };
    }

    private Statement macro() {
        var name = name();
        var parameters = parameters();
        int outerLoops = loops;
        loops = 0;
        var body = block("endmacro");
        loops = outerLoops;
        return (scope, _) -> {
            scope.set(name, new Macro(name, parameters, body, scope));
            return Flow.ON;
        };
    }

    private List<Parameter> parameters() {
        tokens.expect("(");
        var parameters = new ArrayList<Parameter>();
        while (!tokens.skip(")")) {
            if (!parameters.isEmpty()) {
                tokens.expect(",");
            }
            var name = name();
            var whenLeftOut = tokens.skip("=") ? expressions.expression() : null;
            if (whenLeftOut == null
                    && !parameters.isEmpty()
                    && parameters.getLast().whenLeftOut() != null) {
                throw tokens.fault("non-default argument follows default argument");
            }
            parameters.add(new Parameter(name, whenLeftOut));
        }
        return parameters;
    }

    /// The name of a macro, parameter or variable that is set.
    private String name() {
        var name = tokens.expect(Kind.NAME);
        if (name.isOneOf(ExpressionParser.CONSTANTS.keySet())) {
            throw JinjaException.at(name.line(), "can't assign to '" + name.text() + "'");
        }
        return name.text();
    }

    /// One target, or several with commas between them.
    private Target target(boolean withNamespaces) {
        var targets = new ArrayList<>(List.of(single(withNamespaces)));
        boolean several = false;
        while (tokens.skip(",")) {
            several = true;
            if (tokens.current().is("=") || tokens.current().is(")")) {
                break;
            }
            targets.add(single(withNamespaces));
        }
        return several ? Target.unpacked(targets) : targets.getFirst();
    }

    private Target single(boolean withNamespaces) {
        if (tokens.skip("(")) {
            tokens.enter();
            var target = target(false);
            tokens.expect(")");
            tokens.leave();
            return target;
        }
        if (withNamespaces && tokens.following().is(".")) {
            var owner = tokens.expectName();
            tokens.next();
            return Target.attribute(owner, tokens.expectName());
        }
        var name = name();
        return (scope, value) -> scope.set(name, value);
    }
}
