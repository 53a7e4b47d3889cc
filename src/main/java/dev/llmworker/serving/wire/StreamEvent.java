package dev.llmworker.serving.wire;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// One server-sent event.
///
/// @param name null if the events of its API have no names
/// @param data on one line
public record StreamEvent(@Nullable String name, String data) {
    /// An event without a name.
    public static StreamEvent of(String data) {
        return new StreamEvent(null, data);
    }

    /// An event with a name, which is also the member `type` of its data.
    public static StreamEvent named(String name, Map<String, ?> members) {
        var data = new LinkedHashMap<String, @Nullable Object>();
        data.put("type", name);
        data.putAll(members);
        return new StreamEvent(name, Json.text(data));
    }

    /// As it is sent.
    public String text() {
        return (name == null ? "" : "event: " + name + "\n") + "data: " + data + "\n\n";
    }
}
