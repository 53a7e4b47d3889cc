package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What becomes of responses, and of messages that steer them, after a time; and if there is no room.
@Timeout(120)
class ResponseTimesTest {
    private static final String PATH = "/v1/responses";
    private static final int BUDGET_BYTES = 1 << 20;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine)
            .with("RESPONSES_STORE_SECONDS", "1")
            .with("REQUEST_TIMEOUT", "3s")
            .with("MEMORY_BUDGET", "" + BUDGET_BYTES);

    private JsonNode answer(String input) throws Exception {
        CompletableFuture<HttpResponse<String>> answer = RunningWorker.HTTP.sendAsync(
                worker.request(PATH)
                        .POST(HttpRequest.BodyPublishers.ofString("{\"input\":\"" + input + "\"}"))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        engine.next().finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), answer.join().body());
        return Events.json(answer.join().body());
    }

    /// Even if nobody asks for any response.
    @Test
    void whatExpiresIsGivenBack() throws Exception {
        assertTrue(answer("x".repeat(1000)).get("store").asBoolean());
        Await.until("it has expired", () -> worker.port().memory().usedBytes() == 0);
    }

    @Test
    void aResponseThatIsNotStoredSaysSo() throws Exception {
        var response = answer("x".repeat(46_000));
        assertFalse(response.get("store").asBoolean());
        var shown = RunningWorker.send(
                worker.request(PATH + "/" + response.get("id").asText()).GET());
        assertEquals(404, shown.statusCode());
    }

    private static void send(TestSocket socket, String json) {
        socket.send(json.replace('\'', '"'));
    }

    private static JsonNode until(TestSocket socket, String type) throws Exception {
        while (true) {
            var event = Events.json(socket.next());
            if (event.get("type").asText().equals(type)) {
                return event;
            }
            assertNotEquals("response.steer.failed", event.get("type").asText(), event.toString());
        }
    }

    /// Has a response with a call, for whose result messages wait.
    private String steered(TestSocket socket, String stream) throws Exception {
        send(
                socket,
                "{'type':'response.create','store':false,'input':'one','stream_id':'" + stream
                        + "','tools':[{'type':'function','name':'f'}]}");
        var script = engine.next().emit(new AnswerPart.CallStart(0, "c1", "f"));
        var id = until(socket, "response.created").at("/response/id").asText();
        send(socket, "{'type':'response.steer','previous_response_id':'" + id + "','input':'two'}");
        until(socket, "response.steer.accepted");
        script.emit(new AnswerPart.CallArguments(0, "{}")).finish(FinishReason.TOOL_CALLS);
        until(socket, "response.steer.pending");
        return id;
    }

    /// The results have come, so the messages wait for nothing but their turn.
    @Test
    void messagesWhoseResultsHaveComeDoNotGoBack() throws Exception {
        try (var socket = worker.socket(PATH)) {
            var id = steered(socket, "a");
            send(socket, "{'type':'response.create','store':false,'input':'else','stream_id':'a'}");
            send(
                    socket,
                    "{'type':'response.create','store':false,'stream_id':'a','previous_response_id':'" + id
                            + "','input':[{'type':'function_call_output','call_id':'c1','output':'5'}]}");
            engine.next();
            until(socket, "response.in_progress");
            steered(socket, "b");
            // Nothing of the other stream comes before it, which had less time.
            var failed = until(socket, "response.steer.failed");
            assertEquals("b", failed.get("stream_id").asText(), failed.toString());
        }
    }
}
