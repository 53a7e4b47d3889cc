package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Budget.Text;
import java.util.List;

/// A part of a template that writes to the output or sets variables.
@FunctionalInterface
interface Statement {
    Flow execute(Scope scope, Text out);

    /// How a statement ended.
    enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    /// @param number the line of the template on which the statement begins, from 1
    record Line(int number, Statement statement) {}

    /// Statements in a row.
    record Block(List<Line> lines) implements Statement {
        static final Block EMPTY = new Block(List.of());

        @Override
        public Flow execute(Scope scope, Text out) {
            var budget = scope.budget();
            for (var line : lines) {
                try {
                    budget.step();
                    budget.enter();
                    var flow = line.statement().execute(scope, out);
                    budget.leave();
                    if (flow != Flow.ON) {
                        return flow;
                    }
                } catch (JinjaException e) {
                    throw e.at(line.number());
                }
            }
            return Flow.ON;
        }

        /// The text that the statements write.
        String text(Scope scope) {
            var budget = scope.budget();
            budget.enter();
            var out = budget.text();
            execute(scope, out);
            budget.leave();
            return out.toString();
        }
    }

    /// The left side of an assignment.
    @FunctionalInterface
    interface Target {
        void set(Scope scope, Object value);

        static Target attribute(String owner, String name) {
            return (scope, value) -> {
                if (!(scope.variable(owner) instanceof Namespace namespace)) {
                    throw new JinjaException("cannot assign attribute on non-namespace object");
                }
                namespace.set(name, value);
            };
        }

        static Target unpacked(List<Target> targets) {
            return (scope, value) -> {
                var items = Values.items(scope.budget(), value);
                if (items.size() != targets.size()) {
                    throw new JinjaException(
                            "cannot unpack " + items.size() + " values into " + targets.size() + " names");
                }
                for (int i = 0; i < items.size(); i++) {
                    targets.get(i).set(scope, items.get(i));
                }
            };
        }
    }
}
