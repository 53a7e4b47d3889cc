package dev.llmworker.text.jinja;

import java.time.Clock;
import java.util.Map;

/// A parsed chat template.
///
/// It renders like transformers' `apply_chat_template`: jinja2's immutable sandbox with `trim_blocks`, `lstrip_blocks`
/// and loop controls. `tojson` escapes no HTML. `raise_exception` and `strftime_now` are there. `{% generation %}` has
/// no effect on the text.
///
/// It differs from jinja2 in this:
/// - Integers have 64 bits.
/// - A dict's keys `1`, `1.0` and `true` are three keys.
/// - An unknown filter or test is an error only if the template reaches it.
/// - A loop or block can read a variable before the template sets it. It then has the value that the template was
///   given; in jinja2 it is undefined.
/// - Only what public chat templates use is supported. [Filters], [Tests], [Methods] and [Globals] list the names.
///   There are no recursive loops, inheritance, imports or includes, no `call` and `with` blocks, no `**`, no `%` on a
///   str, and no format specifiers such as `{:>5}`.
///
/// Threading: immutable; any number of threads can render at once.
public final class JinjaTemplate {
    private final Statement.Block body;
    private final JinjaLimits limits;
    private final Clock clock;

    private JinjaTemplate(Statement.Block body, JinjaLimits limits, Clock clock) {
        this.body = body;
        this.limits = limits;
        this.clock = clock;
    }

    /// Parses a template with [JinjaLimits#standard()] and the machine's clock and time zone.
    ///
    /// @throws JinjaException if the syntax is wrong or not supported
    public static JinjaTemplate parse(String source) {
        return parse(source, JinjaLimits.standard(), Clock.systemDefaultZone());
    }

    /// @param clock the time and time zone of `strftime_now`
    /// @throws JinjaException if the syntax is wrong or not supported
    public static JinjaTemplate parse(String source, JinjaLimits limits, Clock clock) {
        return new JinjaTemplate(StatementParser.parse(source), limits, clock);
    }

    /// Renders the template with these variables.
    ///
    /// @param variables null, Boolean, Integer, Long, Double, String, and Lists and Maps of these
    /// @throws JinjaException if the template refuses the variables, fails, or reaches a limit
    public String render(Map<String, ?> variables) {
        var budget = new Budget(limits);
        var scope = new Scope(budget, Globals.of(budget, clock));
        variables.forEach((name, value) -> scope.set(name, Values.imported(budget, value)));
        return body.text(scope);
    }
}
