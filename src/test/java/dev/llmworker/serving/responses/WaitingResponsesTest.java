package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.chat.AnswerPart;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// How long a WebSocket keeps what waits.
@Timeout(150)
class WaitingResponsesTest {
    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine).with("REQUEST_TIMEOUT", "2s");

    private static JsonNode until(TestSocket socket, String type) throws Exception {
        while (true) {
            var event = Events.json(socket.next());
            if (event.get("type").asText().equals(type)) {
                return event;
            }
        }
    }

    private static void send(TestSocket socket, String json) {
        socket.send(json.replace('\'', '"'));
    }

    @Test
    void whatWaitsTooLongGoesBack() throws Exception {
        try (var socket = worker.socket("/v1/responses")) {
            send(socket, "{'type':'response.create','store':false,'stream_id':'slow','input':'runs'}");
            var slow = engine.next();
            until(socket, "response.in_progress");
            send(socket, "{'type':'response.create','store':false,'stream_id':'slow','input':'waits'}");
            send(
                    socket,
                    "{'type':'response.create','store':false,'input':'one','tools':[{'type':'function','name':'f'}]}");
            var script = engine.next();
            script.emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{}"));
            var id = until(socket, "response.created").at("/response/id").asText();
            until(socket, "response.output_item.added");
            send(socket, "{'type':'response.steer','previous_response_id':'" + id + "','input':'two'}");
            var steer = until(socket, "response.steer.accepted").at("/steer/id").asText();
            script.finish(FinishReason.TOOL_CALLS);
            until(socket, "response.steer.pending");

            // The client sends no results.
            var failed = until(socket, "response.steer.failed");
            assertEquals(steer, failed.at("/steer/id").asText());
            assertEquals("two", failed.at("/steer/input").asText());
            assertEquals("response_not_active", failed.at("/error/code").asText());

            // What waits in the other stream has waited longer.
            slow.finish(FinishReason.STOP);
            until(socket, "response.completed");
            var late = until(socket, "error");
            assertEquals(504, late.get("status").asInt(), late.toString());
            assertEquals("slow", late.get("stream_id").asText());
            assertTrue(engine.hasNone());

            // The response itself is still there.
            send(
                    socket,
                    "{'type':'response.create','store':false,'previous_response_id':'" + id
                            + "','input':[{'type':'function_call_output','call_id':'c1','output':'5'}]}");
            assertEquals("5", engine.next().prompt());
        }
        Await.until("all is given back", () -> worker.port().memory().usedBytes() == 0);
    }
}
