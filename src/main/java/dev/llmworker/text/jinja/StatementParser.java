package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Lexer.Token;
import dev.llmworker.text.jinja.Lexer.TokenStream;
import dev.llmworker.text.jinja.Statement.Target;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Parses a template's statements, and the names and namespace attributes that they set.
final class StatementParser {
    private static final Set<String> CONSTANTS = Set.of("true", "false", "none", "True", "False", "None");
    private static final Expression ALL = new Expression.Literal(true);

    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private int loops;

    private StatementParser(List<Token> tokens) {
        this.tokens = new TokenStream(tokens);
        this.expressions = new ExpressionParser(this.tokens);
    }

    static List<Statement> parse(String template) {
        return new StatementParser(Lexer.tokens(template)).statements(Set.of());
    }

    /// Parses statements up to a tag with one of these names, and stops at that name. Without names, parses to the end.
    private List<Statement> statements(Set<String> ends) {
        tokens.enter();
        var statements = new ArrayList<Statement>();
        while (true) {
            var token = tokens.next();
            switch (token.kind()) {
                case TEXT -> statements.add(new Statement.Verbatim(token.line(), token.text()));
                case OUTPUT_BEGIN -> {
                    statements.add(new Statement.Output(token.line(), expressions.tuple(true)));
                    tokens.expect(Token.Kind.OUTPUT_END, "'}}'");
                }
                case TAG_BEGIN -> {
                    var tag = tokens.current();
                    if (tag.kind() == Token.Kind.NAME && ends.contains(tag.text())) {
                        tokens.leave();
                        return statements;
                    }
                    statements.add(statement());
                    tokens.expect(Token.Kind.TAG_END, "'%}'");
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw tokens.fault("the template ends within a block; expected " + String.join(" or ", ends));
                    }
                    tokens.leave();
                    return statements;
                }
                default -> throw JinjaException.at(token.line(), "unexpected " + token.shown());
            }
        }
    }

    private Statement statement() {
        int line = tokens.current().line();
        var tag = tokens.expectAnyName();
        return switch (tag) {
            case "if" -> condition(line);
            case "for" -> loop(line);
            case "set" -> assignment(line);
            case "macro" -> macro(line);
            case "call" -> callBlock(line);
            case "filter" -> {
                var filters = new ArrayList<>(List.of(expressions.filter()));
                filters.addAll(filters());
                yield new Statement.FilterBlock(line, filters, block("endfilter"));
            }
            case "with" -> with(line);
            case "generation" -> new Statement.Generation(line, block("endgeneration"));
            case "break" -> {
                checkWithinLoop(line, tag);
                yield new Statement.Break(line);
            }
            case "continue" -> {
                checkWithinLoop(line, tag);
                yield new Statement.Continue(line);
            }
            default -> throw JinjaException.at(line, "unknown or misplaced tag '" + tag + "'");
        };
    }

    private void checkWithinLoop(int line, String tag) {
        if (loops == 0) {
            throw JinjaException.at(line, "'" + tag + "' outside loop");
        }
    }

    /// Parses the end of the current tag, and the statements up to a tag with one of these names.
    private List<Statement> body(String... ends) {
        tokens.skipOperator(":");
        tokens.expect(Token.Kind.TAG_END, "'%}'");
        return statements(Set.of(ends));
    }

    /// Parses a body and moves past the name that ends it.
    private List<Statement> block(String end) {
        var body = body(end);
        tokens.next();
        return body;
    }

    private Statement condition(int line) {
        var branches = new ArrayList<Statement.Branch>();
        while (true) {
            var condition = expressions.tuple(false);
            branches.add(new Statement.Branch(condition, body("elif", "else", "endif")));
            switch (tokens.next().text()) {
                case "elif" -> {}
                case "else" -> {
                    return new Statement.If(line, branches, block("endif"));
                }
                default -> {
                    return new Statement.If(line, branches, List.of());
                }
            }
        }
    }

    private Statement loop(int line) {
        var target = loopTarget();
        tokens.expectName("in");
        var items = expressions.tuple(false);
        var filter = tokens.skipName("if") ? expressions.expression() : ALL;
        if (tokens.current().isName("recursive")) {
            throw tokens.fault("recursive loops are not supported");
        }
        loops++;
        var body = body("endfor", "else");
        loops--;
        List<Statement> otherwise = tokens.next().text().equals("else") ? block("endfor") : List.of();
        return new Statement.For(line, target, items, filter, body, otherwise);
    }

    private Statement assignment(int line) {
        var target = target(true);
        if (tokens.skipOperator("=")) {
            return new Statement.Assign(line, target, expressions.tuple(true));
        }
        return new Statement.AssignBlock(line, target, filters(), block("endset"));
    }

    private List<Expression.FilterCall> filters() {
        var filters = new ArrayList<Expression.FilterCall>();
        while (tokens.skipOperator("|")) {
            filters.add(expressions.filter());
        }
        return filters;
    }

    private Statement with(int line) {
        var bindings = new ArrayList<Statement.Binding>();
        while (tokens.current().kind() != Token.Kind.TAG_END) {
            if (!bindings.isEmpty()) {
                tokens.expectOperator(",");
            }
            var target = single(false);
            tokens.expectOperator("=");
            bindings.add(new Statement.Binding(target, expressions.expression()));
        }
        return new Statement.With(line, bindings, block("endwith"));
    }

    private Statement.MacroDefinition macro(int line) {
        var name = name();
        return macro(line, name, parameters(), "endmacro");
    }

    private Statement.MacroDefinition macro(int line, String name, List<Statement.Parameter> parameters, String end) {
        int outerLoops = loops;
        var outerNames = expressions.exchangeNamesRead(new HashSet<>());
        loops = 0;
        var body = block(end);
        loops = outerLoops;
        var names = expressions.exchangeNamesRead(outerNames);
        outerNames.addAll(names);
        names.retainAll(Set.of("caller", "varargs", "kwargs"));
        parameters.forEach(parameter -> names.remove(parameter.name()));
        return new Statement.MacroDefinition(line, name, parameters, List.copyOf(names), body);
    }

    private List<Statement.Parameter> parameters() {
        tokens.expectOperator("(");
        var parameters = new ArrayList<Statement.Parameter>();
        boolean defaults = false;
        while (!tokens.skipOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
            }
            var name = name();
            List<Expression> whenLeftOut = tokens.skipOperator("=") ? List.of(expressions.expression()) : List.of();
            if (defaults && whenLeftOut.isEmpty()) {
                throw tokens.fault("non-default argument follows default argument");
            }
            defaults = !whenLeftOut.isEmpty();
            parameters.add(new Statement.Parameter(name, whenLeftOut));
        }
        return parameters;
    }

    private Statement callBlock(int line) {
        List<Statement.Parameter> parameters = tokens.current().isOperator("(") ? parameters() : new ArrayList<>();
        if (!(expressions.expression() instanceof Expression.Call call)) {
            throw JinjaException.at(line, "expected call");
        }
        return new Statement.CallBlock(line, macro(line, "caller", parameters, "endcall"), call);
    }

    /// The name of a macro or parameter.
    private String name() {
        return variable(tokens.expect(Token.Kind.NAME, "a name")).name();
    }

    private Target loopTarget() {
        if (tokens.current().isName("loop")) {
            throw tokens.fault("can't assign to the special variable loop of a loop");
        }
        return target(false);
    }

    /// One target, or several with commas between them.
    private Target target(boolean withNamespaces) {
        var targets = new ArrayList<>(List.of(single(withNamespaces)));
        boolean several = false;
        while (tokens.skipOperator(",")) {
            several = true;
            if (tokens.current().isOperator("=") || tokens.current().isOperator(")")) {
                break;
            }
            targets.add(single(withNamespaces));
        }
        return several ? new Target.Unpacked(targets) : targets.getFirst();
    }

    private Target single(boolean withNamespaces) {
        if (tokens.skipOperator("(")) {
            tokens.enter();
            var target = target(false);
            tokens.expectOperator(")");
            tokens.leave();
            return target;
        }
        var name = tokens.expect(Token.Kind.NAME, "a name");
        if (withNamespaces && tokens.skipOperator(".")) {
            return new Target.NamespaceAttribute(name.text(), tokens.expectAnyName());
        }
        return variable(name);
    }

    private static Target.Variable variable(Token name) {
        if (CONSTANTS.contains(name.text())) {
            throw JinjaException.at(name.line(), "can't assign to '" + name.text() + "'");
        }
        return new Target.Variable(name.text());
    }
}
