package dev.llmworker.text.answer;

import dev.llmworker.constraint.Expression;
import dev.llmworker.text.tools.ToolUse;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// How a model writes its answers: its reasoning, its calls of tools, and its text. The same object takes answers apart
/// and says what the constraint of a call is, so that the two cannot disagree.
///
/// Threading: any thread.
public final class ChatFormat {
    /// White space that a model may write after a marker, whatever its template has there.
    private static final Expression SPACE = new Expression.Pattern("[ \\n]{0,4}");

    private static final Expression.Notation PLAIN = new Expression.Notation.Plain(Expression.Spacing.LIMITED);

    /// Where an answer begins.
    public enum Start {
        /// The model may begin to think, or not.
        OPEN,
        /// The prompt has begun the reasoning.
        REASONING,
        /// The prompt has ended the reasoning.
        AFTER_REASONING
    }

    private final ToolFormat tools;
    private final @Nullable ReasoningForm reasoning;
    private final String before;
    private final Markers markers;
    private final Map<List<Boolean>, List<Mark>> marks = new LinkedHashMap<>();

    /// @param controls the ids of the model's control tokens, by name
    public ChatFormat(ChatForms forms, Map<String, Integer> controls) {
        markers = new Markers(controls);
        tools = forms.tools().map(markers::bind);
        reasoning = forms.reasoning() == null ? null : forms.reasoning().map(markers::bind);
        before = markers.bind(forms.before());
        var skipped = forms.skipped().stream()
                .map(text -> new Mark(Mark.Kind.SKIPPED, markers.bind(text), 0, false))
                .toList();
        for (var mayReason : List.of(true, false)) {
            for (var hasTools : List.of(true, false)) {
                var found = new ArrayList<>(marksOf(mayReason, hasTools));
                found.addAll(skipped);
                marks.put(List.of(mayReason, hasTools), List.copyOf(found));
            }
        }
    }

    private List<Mark> marksOf(boolean mayReason, boolean hasTools) {
        var found = new ArrayList<Mark>();
        if (mayReason && reasoning != null) {
            found.add(new Mark(Mark.Kind.REASONING, reasoning.begin(), 0, !reasoning.repeats()));
        }
        for (var form = 0; hasTools && form < tools.forms().size(); form++) {
            var one = tools.forms().get(form);
            found.add(new Mark(Mark.Kind.CALL, tools.triggerOf(one), form, one.isFirst()));
        }
        return found;
    }

    /// The name of the format of calls, as in `TOOL_FORMAT`.
    public String name() {
        return tools.name();
    }

    /// Whether the model may think before it answers.
    public boolean thinks() {
        return reasoning != null;
    }

    ToolFormat tools() {
        return tools;
    }

    @Nullable
    ReasoningForm reasoning() {
        return reasoning;
    }

    Markers markers() {
        return markers;
    }

    List<Mark> marks(boolean mayReason, boolean hasTools) {
        return Objects.requireNonNull(marks.get(List.of(mayReason, hasTools)));
    }

    /// Takes one answer apart.
    public AnswerParser parser(ToolUse use, Start start) {
        return parser(use, start, false);
    }

    /// Takes one answer apart.
    ///
    /// @param isConstrained whether [#answer] says what it is from its beginning on, so that white space there
    ///     belongs to it
    public AnswerParser parser(ToolUse use, Start start, boolean isConstrained) {
        return new AnswerParser(this, schemas(use), start, isConstrained);
    }

    static Map<String, ToolSchema> schemas(ToolUse use) {
        var schemas = new LinkedHashMap<String, ToolSchema>();
        use.callable().forEach(tool -> schemas.put(tool.name(), new ToolSchema(tool)));
        return schemas;
    }

    // --- constraints

    /// What the answer must look like after its reasoning; null if it is free until a call begins.
    ///
    /// @param format what the text must look like; null if it is free
    public @Nullable Expression answer(ToolUse use, @Nullable Expression format) {
        if (use.isRequired()) {
            return calls(use, tools.forms().getFirst());
        }
        if (format == null) {
            return null;
        }
        var text = Expression.sequence(markers.expression(before), format);
        if (use.callable().isEmpty()) {
            return text;
        }
        var options = new ArrayList<>(calls(use));
        options.add(text);
        return new Expression.Choice(options);
    }

    /// What an answer must look like that may begin with reasoning: the marker, after which it is free, or the rest.
    public Expression begun(Expression answer, Start start) {
        if (start != Start.OPEN || reasoning == null) {
            return answer;
        }
        return Expression.choice(markers.expression(reasoning.begin()), answer);
    }

    /// What follows the reasoning, from its end marker on.
    public Expression afterReasoning(Expression answer) {
        var after = reasoning == null ? "" : reasoning.after();
        return Expression.sequence(SPACE, markers.expression(after), answer);
    }

    /// The constraint of a part of an answer, as [AnswerParser#since()] has it.
    public Expression expression(String part) {
        return markers.expression(part);
    }

    /// The marker that ends the reasoning.
    public Expression endOfReasoning() {
        return markers.expression(Objects.requireNonNull(reasoning).end());
    }

    /// The constraints of calls from their trigger to the end of the answer, by their form.
    public List<Expression> calls(ToolUse use) {
        return use.callable().isEmpty()
                ? List.of()
                : tools.forms().stream().map(form -> calls(use, form)).toList();
    }

    private Expression calls(ToolUse use, CallForm form) {
        var trigger = tools.triggerOf(form);
        var rest = (tools.begin() + form.before()).substring(trigger.length()).stripLeading();
        var call = new Expression.Choice(use.callable().stream()
                .map(tool -> call(form, tool.name(), new ToolSchema(tool)))
                .toList());
        var parts = new ArrayList<Expression>();
        parts.add(markers.expression(trigger));
        if (!rest.isEmpty()) {
            parts.add(SPACE);
            parts.add(withId(rest));
        }
        parts.add(call);
        if (tools.separator() != null && use.parallel()) {
            var next = Expression.sequence(withId(tools.separator() + form.before()), call);
            parts.add(new Expression.Repeat(next, 0, Integer.MAX_VALUE));
        }
        parts.add(markers.expression(tools.end()));
        return new Expression.Sequence(parts);
    }

    /// A call from the tool's name on.
    private Expression call(CallForm form, String name, ToolSchema schema) {
        var parts = new ArrayList<Expression>();
        parts.add(Expression.literal(name));
        switch (form) {
            case CallForm.NamedJson(var _, var between, var after, var _) -> {
                parts.add(withId(between));
                parts.add(new Expression.Json(schema.json()));
                parts.add(markers.expression(after));
            }
            case CallForm.Listed list -> {
                schema.requireSeparate(name, list);
                parts.add(markers.expression(list.between()));
                parts.add(listed(list, schema));
                parts.add(markers.expression(list.after()));
            }
            case CallForm.Parameters parameters -> {
                schema.requireSeparate(name, parameters);
                parts.add(markers.expression(parameters.between()));
                schema.arguments().forEach(argument -> parts.add(argument(parameters, schema, argument)));
                parts.add(markers.expression(parameters.after()));
            }
        }
        return new Expression.Sequence(parts);
    }

    /// A text that may have an id.
    private Expression withId(String text) {
        var id = text.indexOf(CallForm.ID);
        return id < 0
                ? markers.expression(text)
                : Expression.sequence(
                        markers.expression(text.substring(0, id)),
                        new Expression.Pattern(CallForm.ANY_ID),
                        markers.expression(text.substring(id + 1)));
    }

    private Expression argument(CallForm.Parameters form, ToolSchema schema, ToolSchema.Argument argument) {
        var marker = argument.writing() == ToolSchema.Writing.JSON ? form.json() : form.text();
        var written = Expression.sequence(
                markers.expression(form.key() + argument.name() + marker),
                value(schema, argument, form.end()),
                markers.expression(form.end()));
        return argument.isRequired() ? written : Expression.optional(written);
    }

    /// A value, in which a string is written as it is.
    ///
    /// @param end is not in a string
    private static Expression value(ToolSchema schema, ToolSchema.Argument argument, String end) {
        if (argument.writing() == ToolSchema.Writing.JSON) {
            return new Expression.Json(schema.json(), PLAIN, argument.pointer());
        }
        var without = Markers.withoutControls(end).equals(end) ? end : "";
        var text = new Expression.SchemaText(schema.json(), argument.pointer(), without);
        return argument.writing() == ToolSchema.Writing.TEXT
                ? text
                : Expression.choice(Expression.literal("null"), text);
    }

    /// Arguments with commas between them.
    private Expression listed(CallForm.Listed form, ToolSchema schema) {
        return new Expression.Listing(
                form.comma(),
                schema.arguments().stream()
                        .map(one -> new Expression.Listing.Item(listed(form, schema, one), one.isRequired()))
                        .toList());
    }

    private Expression listed(CallForm.Listed form, ToolSchema schema, ToolSchema.Argument argument) {
        var notation = form.quote().isEmpty()
                ? new Expression.Notation.Python()
                : new Expression.Notation.Bare(markers.expression(form.quote()));
        return Expression.sequence(
                Expression.literal(argument.name() + form.assign()),
                new Expression.Json(schema.json(), notation, argument.pointer()));
    }
}
