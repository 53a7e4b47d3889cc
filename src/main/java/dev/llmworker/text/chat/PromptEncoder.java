package dev.llmworker.text.chat;

import dev.llmworker.text.PromptTooLongException;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TokenNames;
import dev.llmworker.text.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
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
    private final TokenNames controlNames;

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
        controlNames = new TokenNames(tokenizer.controlTokens());
    }

    /// Whether the model's own chat template runs for each conversation.
    public boolean rendersTemplate() {
        return template != null;
    }

    /// The prompt for the assistant's next turn.
    ///
    /// @throws IllegalArgumentException if the template rejects the messages, or they contain all marks
    public int[] encode(List<ChatMessage> messages) {
        return encode(messages, Integer.MAX_VALUE);
    }

    /// Like [#encode(List)], with a limit.
    ///
    /// @param mostTokens the limit
    /// @throws PromptTooLongException if the prompt certainly exceeds the limit; this check comes before encoding
    ///     and does not find all such prompts
    public int[] encode(List<ChatMessage> messages, int mostTokens) {
        return encode(messages, Map.of(), mostTokens);
    }

    /// Like [#encode(List, int)], with more variables for the template. Texts in them are plain text, like those of
    /// messages.
    public int[] encode(List<ChatMessage> messages, Map<String, ? extends @Nullable Object> variables, int mostTokens) {
        if (template == null) {
            var contents = String.join(
                    "\n", messages.stream().map(ChatMessage::content).toList());
            check(List.of(new Part(contents, NO_TOKEN)), mostTokens);
            return begun(tokenizer.encodeText(contents));
        }
        var mark = mark(messages, variables.toString());
        var marked = messages.stream()
                .map(message -> new ChatMessage(marked(message.role(), mark), marked(message.content(), mark)))
                .toList();
        var rendered = template.render(marked, true, marked(variables, mark));
        check(rendered, mark, mostTokens);
        return begun(tokenizer.encodeMarked(rendered, mark));
    }

    /// A raw prompt; names of control tokens in it become those tokens.
    public int[] encodeRaw(String text) {
        return encodeRaw(text, Integer.MAX_VALUE);
    }

    /// Like [#encodeRaw(String)], with the limit of [#encode(List, int)].
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

    private static char mark(List<ChatMessage> messages, String variables) {
        for (var mark = FIRST_MARK; mark <= LAST_MARK; mark++) {
            var candidate = mark;
            if (variables.indexOf(candidate) < 0
                    && messages.stream()
                            .noneMatch(message -> message.role().indexOf(candidate) >= 0
                                    || message.content().indexOf(candidate) >= 0)) {
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
