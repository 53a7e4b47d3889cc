package dev.llmworker.text.jinja;

import java.time.Clock;
import java.util.List;
import java.util.Map;

/// A parsed chat template.
///
/// It renders as transformers' `apply_chat_template` does: jinja2's immutable sandbox with `trim_blocks`,
/// `lstrip_blocks` and loop controls, `tojson` without HTML escapes, `raise_exception`, `strftime_now`, and
/// `{% generation %}` without effect. Where it differs: integers have 64 bits; a dict's keys `1`, `1.0` and `true` are
/// three; an unknown filter or test is an error only where it is reached; a variable that a loop or block reads and the
/// template sets only after it has the value given to the template, where jinja2 makes it undefined; there are no
/// recursive loops, template inheritance, imports or includes, and no `random`, `groupby`,
/// `truncate`, `wordwrap`, `urlize`, `urlencode`, `xmlattr`, `striptags`, `pprint` and `filesizeformat`.
///
/// Threading: immutable; any number of renderings at once.
public final class JinjaTemplate {
    private final List<Statement> statements;
    private final JinjaLimits limits;
    private final Clock clock;

    private JinjaTemplate(List<Statement> statements, JinjaLimits limits, Clock clock) {
        this.statements = statements;
        this.limits = limits;
        this.clock = clock;
    }

    /// With [JinjaLimits#standard()] and the machine's clock and time zone.
    ///
    /// @throws JinjaException if it is no template, or has what is not supported
    public static JinjaTemplate parse(String source) {
        return parse(source, JinjaLimits.standard(), Clock.systemDefaultZone());
    }

    /// @param clock what `strftime_now` tells
    /// @throws JinjaException if it is no template, or has what is not supported
    public static JinjaTemplate parse(String source, JinjaLimits limits, Clock clock) {
        return new JinjaTemplate(StatementParser.parse(source), limits, clock);
    }

    /// The template's text for these variables.
    ///
    /// @param variables values are null, Boolean, Integer, Long, Double, String, and Lists and Maps of these
    /// @throws JinjaException if the template refuses them, does what Python would not, or reaches a limit
    public String render(Map<String, ?> variables) {
        return new Interpreter(new Rendering(limits, clock)).render(statements, variables);
    }
}
