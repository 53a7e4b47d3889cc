package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.Lease;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.wire.JsonError;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Messages by which a client steers a response that runs. They wait for the response that follows it.
///
/// @param previousId of the response
/// @param input as the client sent it, as JSON
/// @param items of the user
/// @param client of the message that had them
/// @param held its memory, and its place among the requests under way
record Steering(
        String id, String previousId, String input, List<ResponseStore.Item> items, WebSocketClient client, Lease held)
        implements AutoCloseable {
    /// The member by which events name it.
    Map<String, ?> named() {
        return Map.of("steer", names(id, previousId));
    }

    /// The members of the event that says that it waits for results of calls.
    Map<String, ?> pending(List<OutputItem> calls) {
        var members = new LinkedHashMap<String, Object>(named());
        members.put("reason", "waiting_for_required_input");
        members.put("required_input", calls.stream().map(Steering::required).toList());
        return members;
    }

    private static Map<String, ?> required(OutputItem call) {
        var required = new LinkedHashMap<String, Object>();
        required.put("type", "function_call_output");
        required.put("call_id", call.callId);
        required.put("name", call.name);
        return required;
    }

    /// The members of the event that gives it back.
    Map<String, ?> failed(JsonError error) {
        return failed(id, previousId, new RawValue(input), error);
    }

    /// As [#failed(JsonError)], of one that was not accepted.
    ///
    /// @param id null if it has none
    static Map<String, ?> failed(@Nullable String id, String previousId, @Nullable Object input, JsonError error) {
        var steer = names(id, previousId);
        steer.put("input", input);
        var said = new LinkedHashMap<String, Object>();
        said.put("type", "invalid_request_error");
        said.put("code", error.code().equals("invalid_request") ? "invalid_input" : error.code());
        said.put("message", error.message());
        return Map.of("steer", steer, "error", said);
    }

    private static Map<String, @Nullable Object> names(@Nullable String id, String previousId) {
        var names = new LinkedHashMap<String, @Nullable Object>();
        if (id != null) {
            names.put("id", id);
        }
        names.put("previous_response_id", previousId);
        return names;
    }

    @Override
    public void close() {
        held.close();
    }
}
