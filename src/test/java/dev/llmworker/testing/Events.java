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
                "text/event-stream",
                response.headers().firstValue("Content-Type").orElse(""));
        return response;
    }

    /// The data of all events, each of which must be one line and an empty one.
    public static List<String> data(HttpResponse<Stream<String>> response) {
        var data = new ArrayList<String>();
        var lines = response.body().toList();
        for (var i = 0; i < lines.size(); i += 2) {
            assertTrue(lines.get(i).startsWith("data: "), lines.get(i));
            assertEquals("", lines.get(i + 1));
            data.add(lines.get(i).substring("data: ".length()));
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
