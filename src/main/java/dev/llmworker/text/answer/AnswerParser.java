package dev.llmworker.text.answer;

import dev.llmworker.text.answer.AnswerPart.CallArguments;
import dev.llmworker.text.answer.AnswerPart.CallStart;
import dev.llmworker.text.answer.AnswerPart.Content;
import dev.llmworker.text.answer.AnswerPart.Reasoning;
import dev.llmworker.text.tools.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Takes an answer apart while the model writes it: text, reasoning and calls of tools. It does not matter how the text
/// is cut into pieces.
///
/// Text that may begin a marker is held back until that is certain. White space is dropped at both ends of the
/// reasoning, after it, and before a call; of white space after text, only the last 256 characters.
///
/// What looks like a call and is none, because its name is not that of a tool, is text. Once a call has begun, the
/// constraint of [ChatFormat] sees to it that the rest fits.
///
/// Threading: one thread at a time.
public final class AnswerParser {
    private static final String NULL = "null";
    /// How much white space is held back that may be before a marker.
    private static final int MAX_SPACE = 256;
    private static final int OTHER = -1;
    private static final int UNKNOWN = -2;

    private enum State {
        REASONING,
        CONTENT,
        /// Between the trigger and the name of a tool.
        BEFORE,
        NAME,
        /// Between the name of a tool and its arguments.
        BETWEEN,
        JSON,
        /// Before the name of an argument, or after the last argument.
        KEY,
        KEY_NAME,
        VALUE,
        AFTER,
        /// Before the next call.
        NEXT,
        /// After the last call.
        END
    }

    private final ChatFormat format;
    private final Map<String, ToolSchema> tools;
    private final List<AnswerPart> parts = new ArrayList<>();
    /// Text that has been pushed and is in no part yet.
    private final StringBuilder buffer = new StringBuilder();
    /// What the newest marker left behind: a call with its trigger, or what follows the reasoning.
    private String since = "";

    private State state;
    /// Whether white space that comes next is dropped.
    private boolean dropsSpace;
    /// Whether something may begin that can only be the first thing of an answer or a message.
    private boolean atStart = true;
    private boolean mayReason;

    // The call that is being written.
    private @Nullable CallForm form;
    private int formIndex;
    private String trigger = "";
    /// What was dropped or matched before the tool's name, in case that it is none.
    private String space = "";
    private final StringBuilder matched = new StringBuilder();
    private String expected = "";
    private int begun;
    private int complete;
    private @Nullable ToolSchema schema;
    private JsonScanner json = new JsonScanner();
    private ToolSchema.Writing writing = ToolSchema.Writing.JSON;
    private boolean isFirstArgument;
    private boolean isQuoted;
    private @Nullable ListedValue listedValue;

    /// @param tools by name, those that may be called
    /// @param isConstrained as for [ChatFormat#parser(ToolUse, ChatFormat.Start, boolean)]
    AnswerParser(ChatFormat format, Map<String, ToolSchema> tools, ChatFormat.Start start, boolean isConstrained) {
        this.format = format;
        this.tools = tools;
        state = start == ChatFormat.Start.REASONING ? State.REASONING : State.CONTENT;
        mayReason = start == ChatFormat.Start.OPEN && format.reasoning() != null;
        dropsSpace = state == State.REASONING || !isConstrained && (mayReason || start != ChatFormat.Start.OPEN);
    }

    /// Takes the next piece of the text.
    ///
    /// @return what is complete
    public List<AnswerPart> push(String text) {
        return add(Markers.plain(text));
    }

    /// Takes a control token, which has no text.
    public List<AnswerPart> control(int token) {
        return add(format.markers().control(token));
    }

    private List<AnswerPart> add(String bound) {
        buffer.append(bound);
        return advanced();
    }

    private List<AnswerPart> advanced() {
        while (advance()) {}
        var taken = List.copyOf(parts);
        parts.clear();
        return taken;
    }

    /// The answer has ended.
    ///
    /// @return what was held back
    public List<AnswerPart> end() {
        if (state == State.CONTENT) {
            content(buffer.length(), false);
        } else if (state == State.REASONING) {
            reasoning(buffer.length(), true);
        }
        buffer.setLength(0);
        return advanced();
    }

    /// Whether the model is thinking.
    public boolean isReasoning() {
        return state == State.REASONING;
    }

    /// Whether calls are being written, or have been.
    public boolean isCalling() {
        return state != State.REASONING && state != State.CONTENT;
    }

    /// Which form the call has that is being written.
    public int form() {
        return formIndex;
    }

    /// After the reasoning has ended or a call has begun: the text since, that of the call with its trigger. It is for
    /// [ChatFormat#expression].
    public String since() {
        return since;
    }

    /// How many calls are complete.
    public int calls() {
        return complete;
    }

    /// The call that the newest piece of the text has begun is none, because what follows does not fit: it is text.
    ///
    /// @return the parts of this text, which take the place of those of the call
    public List<AnswerPart> rejectCall() {
        matched.setLength(0);
        buffer.setLength(0);
        buffer.append(since, trigger.length(), since.length());
        begun = 0;
        complete = 0;
        reject();
        return advanced();
    }

    /// Forgets all that came after the end of the reasoning, which is the newest marker.
    public void dropSince() {
        buffer.setLength(0);
        since = "";
        state = State.CONTENT;
        dropsSpace = true;
        atStart = true;
        mayReason = Objects.requireNonNull(format.reasoning()).repeats();
        begun = 0;
        complete = 0;
    }

    /// @return whether it may go on with what is left of the buffer
    private boolean advance() {
        return switch (state) {
            case REASONING -> advanceReasoning();
            case CONTENT -> advanceContent();
            case BEFORE -> advanceBefore();
            case NAME -> advanceName();
            case BETWEEN -> advanceBetween();
            case JSON -> advanceJson();
            case KEY -> form instanceof CallForm.Listed list ? advanceListedKey(list) : advanceKey();
            case KEY_NAME -> form instanceof CallForm.Listed list ? advanceListedName(list) : advanceKeyName();
            case VALUE ->
                form instanceof CallForm.Listed
                        ? advanceListedValue()
                        : switch (writing) {
                            case JSON -> advanceJsonValue();
                            case TEXT -> advanceText(parameters().end());
                            case TEXT_OR_NULL ->
                                isQuoted ? advanceText(parameters().end()) : advanceNullable();
                        };
            case AFTER -> advanceAfter();
            case NEXT -> advanceNext();
            case END -> {
                buffer.setLength(0);
                yield false;
            }
        };
    }

    // --- reasoning and content

    private boolean advanceReasoning() {
        var reasoning = Objects.requireNonNull(format.reasoning());
        if (dropsSpace) {
            dropSpace();
            // Some models begin the reasoning although the template has begun it.
            if (startsWith(reasoning.begin())) {
                buffer.delete(0, reasoning.begin().length());
                return true;
            }
        }
        var end = buffer.indexOf(reasoning.end());
        if (end < 0) {
            reasoning(certain(List.of(reasoning.begin(), reasoning.end()), true), false);
            return false;
        }
        reasoning(end, true);
        buffer.delete(0, reasoning.end().length());
        since = buffer.toString();
        state = State.CONTENT;
        dropsSpace = true;
        atStart = true;
        mayReason = reasoning.repeats();
        return true;
    }

    private void reasoning(int length, boolean isLast) {
        var text = text(length, isLast);
        if (!text.isEmpty()) {
            parts.add(new Reasoning(text));
        }
    }

    private void content(int length, boolean isLast) {
        var text = text(length, isLast);
        if (!text.isEmpty()) {
            parts.add(new Content(text));
            atStart = false;
            mayReason = format.reasoning() != null && format.reasoning().repeats();
        }
    }

    /// Takes text from the buffer.
    ///
    /// @param isLast whether white space at its end is dropped
    private String text(int length, boolean isLast) {
        var all = take(length);
        var text = dropsSpace ? all.stripLeading() : all;
        var kept = isLast ? text.substring(0, beforeSpace(text, text.length())) : text;
        space = text.substring(kept.length());
        dropsSpace &= text.isEmpty();
        return Markers.withoutControls(kept);
    }

    private boolean advanceContent() {
        var found = -1;
        Mark first = null;
        for (var mark : format.marks(mayReason, !tools.isEmpty())) {
            var at = buffer.indexOf(mark.text());
            if (at >= 0 && (found < 0 || at < found) && (!mark.isFirst() || isStart(at))) {
                found = at;
                first = mark;
            }
        }
        if (first == null) {
            var sought = format.marks(mayReason, !tools.isEmpty()).stream()
                    .filter(mark -> !mark.isFirst() || atStart)
                    .map(Mark::text)
                    .toList();
            content(certain(sought, !sought.isEmpty()), false);
            return false;
        }
        content(found, first.kind() != Mark.Kind.SKIPPED);
        buffer.delete(0, first.text().length());
        begin(first);
        return true;
    }

    /// Whether nothing but white space is before a place of the buffer, nor before the buffer, and no more of it
    /// than is held back or dropped.
    private boolean isStart(int at) {
        return atStart
                && (dropsSpace || at <= MAX_SPACE)
                && buffer.substring(0, at).isBlank();
    }

    private void begin(Mark mark) {
        switch (mark.kind()) {
            case REASONING -> {
                state = State.REASONING;
                dropsSpace = true;
            }
            case SKIPPED -> atStart = true;
            case CALL -> {
                formIndex = mark.form();
                form = format.tools().forms().get(formIndex);
                trigger = mark.text();
                since = trigger + buffer;
                matched.setLength(0);
                expected = (format.tools().begin() + form.before())
                        .substring(trigger.length())
                        .stripLeading();
                state = State.BEFORE;
            }
        }
    }

    // --- calls

    /// The text between the trigger and the name; white space may differ at its beginning.
    private boolean advanceBefore() {
        if (!expected.isEmpty()) {
            matched.append(take(spaces()));
        }
        var length = lengthOf(expected);
        if (length < 0) {
            return length == OTHER && reject();
        }
        matched.append(take(length));
        state = State.NAME;
        return true;
    }

    private boolean reject() {
        var text = Markers.withoutControls(space + trigger);
        if (!text.isEmpty()) {
            parts.add(new Content(text));
        }
        buffer.insert(0, matched);
        state = State.CONTENT;
        atStart = false;
        return true;
    }

    private boolean advanceName() {
        var ends = nameEnds();
        var length =
                ends.stream().mapToInt(buffer::indexOf).filter(at -> at >= 0).min();
        if (length.isEmpty()) {
            return !mayBeName(buffer.toString(), ends) && rejectName();
        }
        var name = buffer.substring(0, length.getAsInt());
        var known = tools.get(name);
        if (known == null) {
            return rejectName();
        }
        schema = known;
        parts.add(new CallStart(begun++, ToolCall.newId(), name));
        take(name.length());
        switch (Objects.requireNonNull(form)) {
            case CallForm.NamedJson _ -> state = State.BETWEEN;
            case CallForm.Listed list -> {
                take(list.between().length());
                isFirstArgument = true;
                state = State.KEY;
            }
            case CallForm.Parameters parameters -> {
                take(parameters.between().length());
                isFirstArgument = true;
                state = State.KEY;
            }
        }
        return true;
    }

    private List<String> nameEnds() {
        return switch (Objects.requireNonNull(form)) {
            case CallForm.NamedJson named -> List.of(beforeId(named.between()));
            case CallForm.Listed list -> List.of(list.between());
            case CallForm.Parameters(var _, var between, var key, var _, var _, var _, var after) ->
                between.isEmpty() ? List.of(key, after) : List.of(between);
        };
    }

    private static String beforeId(String text) {
        var at = text.indexOf(CallForm.ID);
        return at < 0 ? text : text.substring(0, at);
    }

    private boolean mayBeName(String text, List<String> ends) {
        return tools.keySet().stream()
                .anyMatch(name -> name.startsWith(text)
                        || text.startsWith(name)
                                && ends.stream().anyMatch(end -> end.startsWith(text.substring(name.length()))));
    }

    /// The first call is then text; after another one, nothing else makes sense.
    private boolean rejectName() {
        if (begun > 0) {
            state = State.END;
            return true;
        }
        return reject();
    }

    private boolean advanceBetween() {
        var between = ((CallForm.NamedJson) Objects.requireNonNull(form)).between();
        var length = lengthOf(between);
        if (length == OTHER) {
            state = State.END;
        } else if (length >= 0) {
            take(length);
            json = new JsonScanner();
            state = State.JSON;
        }
        return length != UNKNOWN;
    }

    private boolean advanceJson() {
        var length = 0;
        while (length < buffer.length() && !json.isComplete()) {
            json.add(buffer.charAt(length++));
        }
        arguments(take(length));
        if (!json.isComplete()) {
            return false;
        }
        state = State.AFTER;
        return true;
    }

    private void arguments(String text) {
        if (!text.isEmpty()) {
            parts.add(new CallArguments(begun - 1, text));
        }
    }

    private boolean advanceAfter() {
        return follows(Objects.requireNonNull(form).after(), this::completed);
    }

    private void completed() {
        complete++;
        state = State.NEXT;
    }

    /// Goes on if the text that must follow is there, and gives up if another one is.
    private boolean follows(String text, Runnable then) {
        if (startsWith(text)) {
            take(text.length());
            then.run();
            return true;
        }
        if (!text.startsWith(buffer.toString())) {
            state = State.END;
            return true;
        }
        return false;
    }

    private boolean advanceNext() {
        var tools = format.tools();
        var next = tools.separator() == null
                ? ""
                : tools.separator() + Objects.requireNonNull(form).before();
        var length = next.isEmpty() ? OTHER : lengthOf(next);
        if (length >= 0) {
            take(length);
            state = State.NAME;
            return true;
        }
        if (length == UNKNOWN && (tools.end().isEmpty() || !startsWith(tools.end()))) {
            return false;
        }
        return follows(tools.end(), () -> state = State.END);
    }

    // --- arguments that are written one by one

    private CallForm.Parameters parameters() {
        return (CallForm.Parameters) Objects.requireNonNull(form);
    }

    private boolean advanceKey() {
        if (startsWith(parameters().key())) {
            take(parameters().key().length());
            state = State.KEY_NAME;
            return true;
        }
        if (parameters().key().startsWith(buffer.toString())) {
            return false;
        }
        return follows(parameters().after(), () -> {
            arguments(isFirstArgument ? "{}" : "}");
            completed();
        });
    }

    private boolean advanceKeyName() {
        var form = parameters();
        var text = buffer.indexOf(form.text());
        var other = buffer.indexOf(form.json());
        var end = text < 0 || other < 0 ? Math.max(text, other) : Math.min(text, other);
        if (end < 0) {
            return false;
        }
        var name = take(end);
        take(end == text ? form.text().length() : form.json().length());
        writing = Objects.requireNonNull(schema).writing(name);
        isQuoted = writing == ToolSchema.Writing.TEXT;
        json = new JsonScanner();
        arguments((isFirstArgument ? "{\"" : ", \"") + ToolSchema.escaped(name) + (isQuoted ? "\": \"" : "\": "));
        isFirstArgument = false;
        state = State.VALUE;
        return true;
    }

    private boolean advanceNullable() {
        var end = buffer.indexOf(parameters().end());
        if (end < 0 && (NULL + parameters().end()).startsWith(buffer.toString())) {
            return false;
        }
        if (end == NULL.length() && startsWith(NULL)) {
            writing = ToolSchema.Writing.JSON;
            return true;
        }
        arguments("\"");
        isQuoted = true;
        return true;
    }

    private boolean advanceText(String after) {
        var end = buffer.indexOf(after);
        arguments(ToolSchema.escaped(take(end < 0 ? certain(List.of(after), false) : end)));
        if (end < 0) {
            return false;
        }
        take(after.length());
        arguments("\"");
        state = State.KEY;
        return true;
    }

    /// The end of a value may be part of a string in it.
    private boolean advanceJsonValue() {
        var end = parameters().end();
        var length = 0;
        var isEnd = false;
        while (length < buffer.length() && !isEnd) {
            if (!json.isInString()) {
                isEnd = buffer.indexOf(end, length) == length;
                if (isEnd || end.startsWith(buffer.substring(length))) {
                    break;
                }
            }
            json.add(buffer.charAt(length++));
        }
        arguments(take(length));
        if (isEnd) {
            take(end.length());
            state = State.KEY;
        }
        return isEnd;
    }

    // --- arguments in a list

    private boolean advanceListedKey(CallForm.Listed list) {
        if (list.after().startsWith(buffer.toString())
                && buffer.length() < list.after().length()) {
            return false;
        }
        if (startsWith(list.after())) {
            return follows(list.after(), () -> {
                arguments(isFirstArgument ? "{}" : "}");
                completed();
            });
        }
        if (!isFirstArgument) {
            if (buffer.length() < list.comma().length() && list.comma().startsWith(buffer.toString())) {
                return false;
            }
            take(startsWith(list.comma()) ? list.comma().length() : 0);
        }
        state = State.KEY_NAME;
        return true;
    }

    private boolean advanceListedName(CallForm.Listed list) {
        var end = buffer.indexOf(list.assign());
        if (end < 0) {
            return false;
        }
        arguments((isFirstArgument ? "{\"" : ", \"") + ToolSchema.escaped(take(end)) + "\": ");
        take(list.assign().length());
        isFirstArgument = false;
        listedValue = new ListedValue(list);
        state = State.VALUE;
        return true;
    }

    private boolean advanceListedValue() {
        var value = Objects.requireNonNull(listedValue);
        var text = new StringBuilder();
        take(value.add(buffer, text));
        arguments(text.toString());
        if (value.isComplete()) {
            state = State.KEY;
        }
        return value.isComplete();
    }

    // --- the buffer

    private String take(int length) {
        var taken = buffer.substring(0, length);
        buffer.delete(0, length);
        return taken;
    }

    private boolean startsWith(String text) {
        return buffer.length() >= text.length()
                && buffer.substring(0, text.length()).equals(text);
    }

    /// How much of the buffer an expected text takes, which may have an id: [#OTHER] if something else is
    /// there, and [#UNKNOWN] if more must come.
    private int lengthOf(String text) {
        var before = beforeId(text);
        if (!startsWith(before)) {
            return before.startsWith(buffer.toString()) ? UNKNOWN : OTHER;
        }
        if (before.length() == text.length()) {
            return text.length();
        }
        var id = before.length();
        while (id < buffer.length()
                && id - before.length() < CallForm.MAX_ID_LENGTH
                && ToolCall.isOfId(buffer.charAt(id))) {
            id++;
        }
        var after = text.substring(before.length() + 1);
        var rest = buffer.substring(id);
        if (id > before.length() && rest.startsWith(after)) {
            return id + after.length();
        }
        return rest.isEmpty() || id > before.length() && after.startsWith(rest) ? UNKNOWN : OTHER;
    }

    private int spaces() {
        var count = 0;
        while (count < buffer.length() && Character.isWhitespace(buffer.charAt(count))) {
            count++;
        }
        return count;
    }

    private void dropSpace() {
        take(spaces());
    }

    /// How much of the buffer is certainly before each of these texts.
    ///
    /// @param holdsSpace whether white space before such a text is held back too
    private int certain(List<String> texts, boolean holdsSpace) {
        var length = buffer.length();
        for (var text : texts) {
            var from = Math.max(0, buffer.length() - text.length() + 1);
            for (var at = from; at < length; at++) {
                if (text.startsWith(buffer.substring(at))) {
                    length = at;
                }
            }
        }
        return holdsSpace ? beforeSpace(buffer, length) : length;
    }

    /// Where the white space before a place begins, of which no more counts than is held back.
    private static int beforeSpace(CharSequence text, int end) {
        var length = end;
        while (length > 0 && end - length < MAX_SPACE && Character.isWhitespace(text.charAt(length - 1))) {
            length--;
        }
        return length;
    }
}
