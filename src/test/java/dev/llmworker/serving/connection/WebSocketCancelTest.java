package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import org.junit.jupiter.api.Test;

/// How prompts of a WebSocket are ended before their time.
class WebSocketCancelTest extends ScriptedSocketCase {
    @Test
    void cancelEndsThePromptThatRunsAndTheNextHasItsTurn() throws Exception {
        prompt("first", "");
        prompt("second", "");
        var first = engine.next().emit("t");
        assertEquals("{\"token\":\"t\",\"index\":0}", socket.next());
        socket.send("{\"cancel\":true}");
        assertEquals("{\"done\":true,\"total_tokens\":1,\"finish_reason\":\"cancelled\"}", socket.next());
        first.awaitClosed();
        engine.next().emit("u").finish(FinishReason.STOP);
        assertEquals("{\"token\":\"u\",\"index\":0}", socket.next());
        assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
        assertEquals(1, worker.stats.finished("cancelled"));
    }

    @Test
    void cancelByIdEndsThatOneAlone() throws Exception {
        prompt("a", ",\"id\":\"a\"");
        prompt("b", ",\"id\":1");
        var scripts = begun(2);
        script(scripts, "b").emit("t");
        assertEquals("{\"id\":1,\"token\":\"t\",\"index\":0}", socket.next());
        socket.send("{\"cancel\":1}");
        assertEquals("{\"id\":1,\"done\":true,\"total_tokens\":1,\"finish_reason\":\"cancelled\"}", socket.next());
        socket.send("{\"cancel\":\"1\"}");
        assertEquals(
                "{\"id\":\"1\",\"error\":\"no prompt of this id runs on this connection\",\"code\":\"unknown_id\"}",
                socket.next());
        script(scripts, "a").emit("u");
        assertEquals("{\"id\":\"a\",\"token\":\"u\",\"index\":0}", socket.next());
        socket.send("{\"cancel\":true}");
        assertEquals("{\"id\":\"a\",\"done\":true,\"total_tokens\":1,\"finish_reason\":\"cancelled\"}", socket.next());
    }

    @Test
    void aCancelThatComesRightBehindItsPromptIsNotLost() throws Exception {
        for (var i = 0; i < 100; i++) {
            socket.send("{\"prompt\":\"x\"}").send("{\"cancel\":true}");
            assertTrue(socket.next().endsWith("\"total_tokens\":0,\"finish_reason\":\"cancelled\"}"));
            socket.send("{\"prompt\":\"x\",\"id\":" + i + "}").send("{\"cancel\":" + i + "}");
            assertEquals(
                    "{\"id\":" + i + ",\"done\":true,\"total_tokens\":0,\"finish_reason\":\"cancelled\"}",
                    socket.next());
        }
    }

    @Test
    void theIdOfTheHandshakeEndsWhatRunsAndWhatWaits() throws Exception {
        prompt("first", "");
        prompt("second", "");
        prompt("beside", ",\"id\":1");
        var scripts = begun(2);
        var id = script(scripts, "first").request.requestId();
        Await.until("all are there", () -> worker.port().requests().count() == 3);
        var answer = worker.post("/v1/generations/" + id + "/cancel", "");
        assertEquals(202, answer.statusCode(), answer.body());
        for (var frame = 0; frame < 3; frame++) {
            var end = socket.next();
            assertTrue(end.endsWith("\"done\":true,\"total_tokens\":0,\"finish_reason\":\"cancelled\"}"), end);
        }
        prompt("third", "");
        engine.next().awaitClosed();
        assertFalse(engine.next().isClosed(), "it came later");
    }

    @Test
    void cancelWithNothingToCancelSaysNothingAndAWrongOneIsNamed() throws Exception {
        socket.send("{\"cancel\":true}");
        socket.send("{\"cancel\":{}}");
        assertTrue(socket.next().startsWith("{\"error\":\"cancel is an object; it must be a string or a number\""));
        socket.send("{\"cancel\":true,\"prompt\":\"x\"}");
        assertTrue(socket.next().startsWith("{\"error\":\"cancel and a prompt are in one message"));
        assertTrue(engine.hasNone());
        socket.send("{\"cancel\":false,\"prompt\":\"x\"}");
        engine.next().finish(FinishReason.STOP);
        assertEquals("{\"done\":true,\"total_tokens\":0}", socket.next());
    }

    @Test
    void aClientThatLeavesEndsAllItsPrompts() throws Exception {
        prompt("a", ",\"id\":1");
        prompt("b", ",\"id\":2");
        prompt("c", "");
        prompt("d", "");
        var scripts = begun(3);
        socket.close();
        for (var script : scripts.values()) {
            script.awaitClosed();
        }
        Await.until("all are over", () -> worker.stats.runningGenerations() == 0);
        assertTrue(engine.hasNone(), "what waited was run for nobody");
        assertFalse(scripts.isEmpty());
    }
}
