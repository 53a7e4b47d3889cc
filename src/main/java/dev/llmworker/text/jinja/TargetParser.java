package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Statement.Target;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// Parses what is set: names, tuples of names, attributes of namespaces.
final class TargetParser {
    private static final Set<String> CONSTANTS = Set.of("true", "false", "none", "True", "False", "None");

    private final TokenStream tokens;

    TargetParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /// The name of a macro or parameter.
    String name() {
        return variable(tokens.expect(Token.Kind.NAME, "a name")).name();
    }

    Target loopTarget() {
        if (tokens.current().isName("loop")) {
            throw tokens.fault("can't assign to the special variable loop of a loop");
        }
        return target(false);
    }

    /// One target, or several with commas between.
    Target target(boolean withNamespaces) {
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

    Target single(boolean withNamespaces) {
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
