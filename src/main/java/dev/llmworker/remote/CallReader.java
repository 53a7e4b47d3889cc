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
/// Threading: one thread.
final class CallReader {
    static final int MAX_CALLS = 128;
    private static final String NO_ARGUMENTS = "{}";

    private final int most;
    /// The newest call of each index of the server.
    private final Map<Integer, Call> byIndex = new HashMap<>();
    private final List<Call> begun = new ArrayList<>(1);
    private final Set<String> ids = new HashSet<>();
    private @Nullable Call last;

    /// @param most how many calls the answer may have; others are left out
    CallReader(int most) {
        this.most = most;
    }

    private static final class Call {
        private final WholeCharacters characters = new WholeCharacters();
        /// As the server has it; empty while it is not known.
        private String id = "";
        /// Empty while it is not known.
        private String name = "";
        private boolean hasArguments;
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
        call.hasArguments |= !more.isBlank();
        add(call, call.characters.push(more), parts);
    }

    /// The call that a piece belongs to.
    private Call call(JsonNode index, String id, String name) throws IOException {
        var known = index.isInt() ? byIndex.get(index.intValue()) : last;
        if (known == null || isOther(known, id, name)) {
            known = new Call();
            if (index.isInt()) {
                byIndex.put(index.intValue(), known);
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
        if (begun.size() == MAX_CALLS) {
            throw new IOException("an answer has more than " + MAX_CALLS + " calls of tools");
        }
        begun.add(call);
        var id = call.id;
        while (id.isEmpty() || !ids.add(id)) {
            // Results go by the ids.
            id = ToolCall.newId();
        }
        if (begun.size() <= most) {
            parts.add(new AnswerPart.CallStart(begun.size() - 1, id, call.name));
        }
    }

    private void add(Call call, String arguments, List<AnswerPart> parts) {
        var index = begun.indexOf(call);
        if (index < most && !arguments.isEmpty()) {
            parts.add(new AnswerPart.CallArguments(index, arguments));
        }
    }

    /// The answer has ended: a call without arguments has an empty object.
    List<AnswerPart> end() {
        var parts = new ArrayList<AnswerPart>(0);
        for (var call : begun) {
            if (!call.hasArguments) {
                add(call, NO_ARGUMENTS, parts);
            }
        }
        return parts;
    }

    boolean hasCalls() {
        return !begun.isEmpty();
    }
}
