package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// A client of server-sent events.
public final class Events {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Events() {}

    /// Posts a body; the answer's head is there, its events come as they are read.
    public static HttpResponse<Stream<String>> open(TestWorker worker, String path, String body) throws Exception {
        var response = RunningWorker.HTTP.send(
                worker.request(path)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofLines());
        assertEquals(200, response.statusCode());
        assertEquals(
                "text/event-stream; charset=utf-8",
                response.headers().firstValue("Content-Type").orElse(""));
        return response;
    }

    /// The data of all events, each of which must be one line and an empty one. Comments are left out: on a
    /// busy machine a stream may be silent for a while.
    public static List<String> data(HttpResponse<Stream<String>> response) {
        var data = new ArrayList<String>();
        var lines = response.body().toList();
        for (var i = 0; i < lines.size(); i += 2) {
            assertEquals("", lines.get(i + 1));
            if (lines.get(i).equals(": keep-alive")) {
                continue;
            }
            assertTrue(lines.get(i).startsWith("data: "), lines.get(i));
            data.add(lines.get(i).substring("data: ".length()));
        }
        return data;
    }

    /// The data of all events of an API whose events have names. The name is also the member `type` of the data.
    public static List<JsonNode> named(HttpResponse<Stream<String>> response) throws Exception {
        var data = new ArrayList<JsonNode>();
        var lines = response.body().filter(line -> !line.equals(": keep-alive")).toList();
        for (var i = 0; i < lines.size(); i++) {
            // An empty line more is a comment's.
            if (lines.get(i).isEmpty()) {
                continue;
            }
            assertTrue(lines.get(i).startsWith("event: "), lines.get(i));
            assertTrue(lines.get(i + 1).startsWith("data: "), lines.get(i + 1));
            assertEquals("", lines.get(i + 2));
            var event = json(lines.get(i + 1).substring("data: ".length()));
            assertEquals(
                    lines.get(i).substring("event: ".length()),
                    event.get("type").asText());
            data.add(event);
            i += 2;
        }
        return data;
    }

    public static List<String> post(TestWorker worker, String path, String body) throws Exception {
        return data(open(worker, path, body));
    }

    public static JsonNode json(String text) throws Exception {
        return JSON.readTree(text);
    }
}
