package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.text.WholeCharacters;
import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ToolCall;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads the calls of tools in the events of an answer. A call comes as a whole, or in pieces. Servers differ: some
/// leave out the index or the id, some have the same index in all calls, some repeat the id and the name in each piece,
/// and some send the arguments as an object.
///
/// The parts of a call come together here. What a server sends of a later call is held back until the arguments of the
/// earlier one are complete.
///
/// Threading: one thread.
final class CallReader {
    static final int MAX_CALLS = 128;
    /// Characters of arguments that are held back.
    static final int MAX_HELD = 1 << 20;

    private static final String NO_ARGUMENTS = "{}";

    private final int most;
    /// The newest call of each index of the server.
    private final Map<Integer, Call> byIndex = new HashMap<>();
    private final List<Call> begun = new ArrayList<>(1);
    private final Set<String> ids = new HashSet<>();
    private @Nullable Call last;
    /// Which of the calls is passed on; those before it are complete.
    private int open;

    private int held;

    /// @param most how many calls the answer may have; others are left out
    CallReader(int most) {
        this.most = most;
    }

    private static final class Call {
        private final WholeCharacters characters = new WholeCharacters();
        /// As the server has it; empty while it is not known.
        private String id = "";
        /// As it is passed on.
        private String passedId = "";
        /// Empty while it is not known.
        private String name = "";
        /// What is held back of the arguments.
        private final StringBuilder held = new StringBuilder();
        private boolean hasArguments;

        // Where the arguments are now.
        private int depth;
        private boolean isInText;
        private boolean isEscaped;
        private boolean isComplete;

        /// Follows the arguments to their closing bracket.
        private void scan(String json) {
            for (var i = 0; i < json.length(); i++) {
                var c = json.charAt(i);
                if (isEscaped) {
                    isEscaped = false;
                } else if (isInText) {
                    isEscaped = c == '\\';
                    isInText = c != '"';
                } else if (c == '"') {
                    isInText = true;
                } else if (c == '{' || c == '[') {
                    depth++;
                } else if (c == '}' || c == ']') {
                    depth--;
                    isComplete |= depth == 0;
                }
            }
        }
    }

    /// @param message a part of a message, or a whole one
    /// @throws IOException if it is not one of the API
    List<AnswerPart> read(JsonNode message) throws IOException {
        var parts = new ArrayList<AnswerPart>(0);
        for (var piece : message.path("tool_calls")) {
            read(piece, parts);
        }
        return parts;
    }

    private void read(JsonNode piece, List<AnswerPart> parts) throws IOException {
        var function = piece.path("function");
        var id = piece.path("id").asText("");
        var name = function.path("name").isTextual() ? function.path("name").textValue() : "";
        var call = call(piece.path("index"), piece.path("id").isNull() ? "" : id, name);
        if (call.name.isEmpty() && !name.isEmpty()) {
            call.name = name;
            begin(call, parts);
        }
        var arguments = function.path("arguments");
        var more =
                arguments.isContainerNode() ? arguments.toString() : arguments.isTextual() ? arguments.textValue() : "";
        if (more.isEmpty()) {
            return;
        }
        if (call.name.isEmpty()) {
            throw new IOException("a call of a tool has arguments before its name");
        }
        if (call.isComplete) {
            if (more.isBlank()) {
                return;
            }
            throw new IOException("a call of a tool goes on after the end of its arguments");
        }
        call.hasArguments |= !more.isBlank();
        call.scan(more);
        add(call, call.characters.push(more), parts);
        advance(parts);
    }

    /// The call that a piece belongs to.
    private Call call(JsonNode index, String id, String name) throws IOException {
        var known = index.isInt() ? byIndex.get(index.intValue()) : last;
        if (known == null || isOther(known, id, name)) {
            known = new Call();
            if (index.isInt() && byIndex.put(index.intValue(), known) == null) {
                // Calls without a name count, too.
                checkCount(byIndex.size());
            }
        }
        if (known.id.isEmpty()) {
            known.id = id;
        }
        last = known;
        return known;
    }

    /// Whether a piece is of a call after this one, whatever its index says.
    private static boolean isOther(Call known, String id, String name) {
        return id.isEmpty() || known.id.isEmpty()
                ? known.id.equals(id) && !name.isEmpty() && !known.name.isEmpty()
                : !id.equals(known.id);
    }

    private void begin(Call call, List<AnswerPart> parts) throws IOException {
        checkCount(begun.size() + 1);
        begun.add(call);
        var id = call.id;
        while (id.isEmpty() || !ids.add(id)) {
            // Results go by the ids.
            id = ToolCall.newId();
        }
        call.passedId = id;
        if (begun.size() == open + 1) {
            start(parts);
        }
    }

    private static void checkCount(int calls) throws IOException {
        if (calls > MAX_CALLS) {
            throw new IOException("an answer has more than " + MAX_CALLS + " calls of tools");
        }
    }

    /// How many characters are held back.
    int heldCharacters() {
        return held;
    }

    private void add(Call call, String arguments, List<AnswerPart> parts) throws IOException {
        var index = begun.indexOf(call);
        if (index >= most || arguments.isEmpty()) {
            return;
        }
        if (index <= open) {
            parts.add(new AnswerPart.CallArguments(index, arguments));
            return;
        }
        call.held.append(arguments);
        held += arguments.length();
        if (held > MAX_HELD) {
            throw new IOException("more than " + MAX_HELD + " characters of calls follow one that is not complete");
        }
    }

    /// The call that is passed on from now on, if there is one: its start, and what was held back.
    private void start(List<AnswerPart> parts) {
        if (open >= Math.min(begun.size(), most)) {
            return;
        }
        var call = begun.get(open);
        parts.add(new AnswerPart.CallStart(open, call.passedId, call.name));
        if (!call.held.isEmpty()) {
            parts.add(new AnswerPart.CallArguments(open, call.held.toString()));
            held -= call.held.length();
            call.held.setLength(0);
        }
    }

    private void advance(List<AnswerPart> parts) {
        while (open < begun.size() && begun.get(open).isComplete) {
            open++;
            start(parts);
        }
    }

    /// Whether a call has begun whose arguments are not complete yet.
    boolean isWithin() {
        return open < begun.size();
    }

    /// The answer has ended.
    ///
    /// @param isWhole whether the model or its server ended it: then a call without arguments has an empty object
    List<AnswerPart> end(boolean isWhole) {
        var parts = new ArrayList<AnswerPart>(0);
        while (open < begun.size()) {
            if (isWhole && !begun.get(open).hasArguments && open < most) {
                parts.add(new AnswerPart.CallArguments(open, NO_ARGUMENTS));
            }
            open++;
            start(parts);
        }
        return parts;
    }

    boolean hasCalls() {
        return !begun.isEmpty();
    }
}
