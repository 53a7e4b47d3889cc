package dev.llmworker.text.chat;

import dev.llmworker.text.PromptTooLongException;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TokenNames;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.answer.ChatFormat;
import dev.llmworker.text.answer.ChatForms;
import dev.llmworker.text.answer.ToolSchema;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Turns a conversation into the tokens of a prompt. A control token's name becomes that token if the chat
/// template wrote it, and stays plain text if a message did. So no message can end its turn and begin another.
///
/// To tell the two apart after rendering, a mark goes into the messages before each place at which such a name
/// begins. It also goes before a place at which one would begin if the template's text completed it. The mark is
/// a noncharacter that no message contains, and is removed again. A template may cut and trim messages. A
/// template that took characters out of the middle of a message, or wrote the beginning of a name right before
/// one, could still join a name. No known template does.
///
/// Threading: any thread.
public final class PromptEncoder {
    /// Unicode reserves these for use within programs; no text has a reason to contain one.
    private static final char FIRST_MARK = '\uFDD0';

    private static final char LAST_MARK = '\uFDEF';

    /// Used for texts in which every name is a control token.
    private static final char NO_MARK = '\uFFFF';

    private static final int NO_TOKEN = -1;

    private final Tokenizer tokenizer;
    private final @Nullable ChatTemplate template;
    private final ChatForms forms;
    private final ChatFormat format;
    private final TokenNames controlNames;

    /// A conversation as tokens.
    ///
    /// @param start where the answer begins
    public record Conversation(int[] ids, ChatFormat.Start start) {}

    /// A part of a prompt.
    ///
    /// @param text empty for a control token
    /// @param id the control token's id, or [#NO_TOKEN]
    private record Part(String text, int id) {}

    /// @param template null for a model without one: its prompt is the contents of the messages, joined by
    ///     newlines
    public PromptEncoder(Tokenizer tokenizer, @Nullable ChatTemplate template) {
        this.tokenizer = tokenizer;
        this.template = template;
        forms = template == null ? ChatForms.GENERIC : template.forms();
        format = new ChatFormat(forms, tokenizer.controlTokens());
        controlNames = new TokenNames(tokenizer.controlTokens());
    }

    /// How the model writes its answers.
    public ChatFormat format() {
        return format;
    }

    /// Null if the model has none.
    public @Nullable ChatTemplate template() {
        return template;
    }

    /// How the model calls tools, in words for people.
    public String tools() {
        return "written as " + format.name()
                + (template == null || !template.knowsTools() ? "; the prompt describes the tools" : "")
                + (format.thinks() ? "; reasoning is told apart" : "");
    }

    /// Whether the model's own chat template runs for each conversation.
    public boolean rendersTemplate() {
        return template != null;
    }

    /// The prompt for the assistant's next turn. Texts of tools and variables are plain text, like those of messages.
    ///
    /// @param mostTokens the limit
    /// @throws IllegalArgumentException if the template rejects the messages, or they contain all marks
    /// @throws PromptTooLongException if the prompt certainly exceeds the limit; this check comes before encoding
    ///     and does not find all such prompts
    public Conversation encode(
            List<ChatMessage> messages,
            List<Tool> tools,
            Map<String, ? extends @Nullable Object> variables,
            int mostTokens) {
        if (template == null) {
            var contents = joined(messages, tools);
            check(List.of(new Part(contents, NO_TOKEN)), mostTokens);
            return new Conversation(begun(tokenizer.encodeText(contents)), ChatFormat.Start.OPEN);
        }
        var mark = mark(messages, tools, variables.toString());
        var rendered = template.render(
                messages.stream().map(message -> marked(message, mark)).toList(),
                tools.stream().map(tool -> marked(tool, mark)).toList(),
                marked(variables, mark));
        check(rendered, mark, mostTokens);
        return new Conversation(begun(tokenizer.encodeMarked(rendered, mark)), forms.start(rendered));
    }

    /// The prompt of a model without a template.
    private String joined(List<ChatMessage> messages, List<Tool> tools) {
        var readable = messages.stream()
                .map(message ->
                        message.toolCalls().isEmpty() ? message : PlainTools.withWrittenCalls(message, forms.tools()))
                .toList();
        var described = tools.isEmpty() ? readable : PlainTools.described(readable, tools, forms.tools(), true);
        return String.join(
                "\n",
                PlainTools.withResultsOfUser(described).stream()
                        .map(ChatMessage::content)
                        .toList());
    }

    private ChatMessage marked(ChatMessage message, char mark) {
        return new ChatMessage(
                marked(message.role(), mark),
                marked(message.content(), mark),
                message.toolCalls().stream()
                        .map(call -> new ToolCall(
                                marked(call.id(), mark), marked(call.name(), mark), markedJson(call.arguments(), mark)))
                        .toList(),
                marked(message.reasoning(), mark),
                marked(message.toolCallId(), mark),
                marked(message.name(), mark));
    }

    private Tool marked(Tool tool, char mark) {
        return new Tool(
                marked(tool.name(), mark),
                marked(tool.description(), mark),
                markedJson(tool.parameters(), mark),
                tool.strict());
    }

    /// JSON whose names and strings are marked; the text itself if there is nothing to mark in it.
    private String markedJson(String json, char mark) {
        var marked = ToolSchema.changed(json, text -> marked(text, mark));
        return marked.indexOf(mark) < 0 ? json : marked;
    }

    /// A raw prompt, with the limit of [#encode]; names of control tokens in it become those tokens.
    public int[] encodeRaw(String text, int mostTokens) {
        check(text, NO_MARK, mostTokens);
        var begun = begun(tokenizer.encodeWithControlTokens(text));
        var end = tokenizer.endOfRawPrompt();
        return end.isEmpty()
                ? begun
                : IntStream.concat(IntStream.of(begun), IntStream.of(end.getAsInt()))
                        .toArray();
    }

    private void check(String text, char mark, int mostTokens) {
        if (text.length() > mostTokens) {
            check(parts(text, mark), mostTokens);
        }
    }

    private void check(List<Part> parts, int mostTokens) {
        // A text has no more tokens than bytes, and a short one is encoded quickly.
        if (parts.stream().mapToLong(part -> part.text().length()).sum() <= mostTokens) {
            return;
        }
        var fewest = 0;
        for (var part : parts) {
            fewest += part.id() == NO_TOKEN ? tokenizer.fewestTokens(part.text()) : 1;
        }
        if (fewest > mostTokens) {
            throw new PromptTooLongException(fewest);
        }
    }

    private static char mark(List<ChatMessage> messages, List<Tool> tools, String variables) {
        var texts = Stream.of(
                        Stream.of(variables),
                        messages.stream().flatMap(ChatMessage::texts),
                        tools.stream().flatMap(tool -> Stream.of(tool.name(), tool.description(), tool.parameters())))
                .flatMap(all -> all)
                .toList();
        for (var mark = FIRST_MARK; mark <= LAST_MARK; mark++) {
            var candidate = mark;
            // JSON may have it as an escape.
            var escape = "%04x".formatted((int) mark);
            if (texts.stream()
                    .noneMatch(text -> text.indexOf(candidate) >= 0
                            || text.contains("\\u")
                                    && text.toLowerCase(Locale.ROOT).contains(escape))) {
                return mark;
            }
        }
        throw new IllegalArgumentException(
                "messages contain each of the 32 noncharacters U+FDD0 to U+FDEF; at least one must be absent");
    }

    /// `text` with `mark` before each place at which a name begins. A name may also begin there and continue in
    /// what the template writes next, whether or not the template trims the text.
    private String marked(String text, char mark) {
        var trimmedEnd = text.stripTrailing().length();
        var marked = new StringBuilder(text.length());
        for (var i = 0; i < text.length(); i++) {
            TextEncoder.stopIfInterrupted(i);
            if (controlNames.mayBegin(text, i, text.length()) || controlNames.mayBegin(text, i, trimmedEnd)) {
                marked.append(mark);
            }
            marked.append(text.charAt(i));
        }
        return marked.toString();
    }

    /// The variables with each text marked.
    private Map<String, @Nullable Object> marked(Map<?, ? extends @Nullable Object> variables, char mark) {
        var marked = new LinkedHashMap<String, @Nullable Object>();
        variables.forEach((name, value) -> marked.put(marked(String.valueOf(name), mark), markedValue(value, mark)));
        return marked;
    }

    private @Nullable Object markedValue(@Nullable Object value, char mark) {
        return switch (value) {
            case String text -> marked(text, mark);
            case List<?> list -> {
                var marked = new ArrayList<@Nullable Object>(list.size());
                list.forEach(element -> marked.add(markedValue(element, mark)));
                yield marked;
            }
            case Map<?, ?> members -> marked(members, mark);
            case null, default -> value;
        };
    }

    /// Splits a text at the real control tokens, to estimate its length.
    private List<Part> parts(String rendered, char mark) {
        var parts = new ArrayList<Part>();
        var plainFrom = 0;
        var match = controlNames.find(rendered, 0);
        while (match != null) {
            if (mark != NO_MARK && match.start() > 0 && rendered.charAt(match.start() - 1) == mark) {
                match = controlNames.find(rendered, match.start() + 1);
            } else {
                addText(rendered.substring(plainFrom, match.start()), mark, parts);
                parts.add(new Part("", match.id()));
                plainFrom = match.end();
                match = controlNames.find(rendered, plainFrom);
            }
        }
        addText(rendered.substring(plainFrom), mark, parts);
        return parts;
    }

    private static void addText(String text, char mark, List<Part> parts) {
        var unmarked = mark == NO_MARK ? text : text.replace(String.valueOf(mark), "");
        if (!unmarked.isEmpty()) {
            parts.add(new Part(unmarked, NO_TOKEN));
        }
    }

    /// Puts the begin-of-sequence token first if the model needs it and it is missing.
    private int[] begun(int[] ids) {
        var begin = tokenizer.beginOfSequence();
        if (begin.isEmpty() || ids.length > 0 && ids[0] == begin.getAsInt()) {
            return ids;
        }
        return IntStream.concat(IntStream.of(begin.getAsInt()), IntStream.of(ids))
                .toArray();
    }
}
