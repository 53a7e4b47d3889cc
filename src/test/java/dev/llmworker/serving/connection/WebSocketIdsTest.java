package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.Events;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What a WebSocket does for clients that ask for more than the plain protocol: ids, messages, details.
class WebSocketIdsTest extends ScriptedSocketCase {
    @Test
    void anIdComesBackOnEachFrameAsItWasSent() throws Exception {
        for (var id : new String[] {
            "\"a\\\"é\"",
            "7",
            "-1",
            "9007199254740993",
            "123456789012345678901234567890",
            "1.5",
            "1.10",
            "1e999",
            "0.1e-400",
            "-0",
            "1E5"
        }) {
            prompt("x", ",\"id\":" + id);
            engine.next().emit("t").finish(FinishReason.STOP);
            assertEquals("{\"id\":" + id + ",\"token\":\"t\",\"index\":0}", socket.next());
            assertEquals("{\"id\":" + id + ",\"done\":true,\"total_tokens\":1}", socket.next());
        }
    }

    @Test
    void promptsWithIdsRunBesideEachOtherAndBesideOneWithout() throws Exception {
        prompt("plain", "");
        prompt("a", ",\"id\":\"a\"");
        prompt("b", ",\"id\":\"b\"");
        var scripts = begun(3);
        script(scripts, "b").emit("1");
        assertEquals("{\"id\":\"b\",\"token\":\"1\",\"index\":0}", socket.next());
        script(scripts, "plain").emit("2");
        assertEquals("{\"token\":\"2\",\"index\":0}", socket.next());
        script(scripts, "a").emit("3").finish(FinishReason.STOP);
        assertEquals("{\"id\":\"a\",\"token\":\"3\",\"index\":0}", socket.next());
        assertEquals("{\"id\":\"a\",\"done\":true,\"total_tokens\":1}", socket.next());
        script(scripts, "plain").finish(FinishReason.STOP);
        assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
        script(scripts, "b").finish(FinishReason.STOP);
        assertEquals("{\"id\":\"b\",\"done\":true,\"total_tokens\":1}", socket.next());
    }

    @Test
    void aSecondPromptWithoutAnIdWaits() throws Exception {
        prompt("first", "");
        prompt("second", "");
        prompt("beside", ",\"id\":1");
        var scripts = begun(2);
        assertEquals(java.util.Set.of("first", "beside"), scripts.keySet());
        script(scripts, "first").finish(FinishReason.STOP);
        assertEquals("{\"done\":true,\"total_tokens\":0}", socket.next());
        assertEquals("second", engine.next().prompt());
    }

    @Test
    void theNinthWithAnIdIsRefusedAndTheLimitNamed() throws Exception {
        for (var i = 0; i < 8; i++) {
            prompt("p" + i, ",\"id\":" + i);
        }
        var scripts = begun(8);
        prompt("p8", ",\"id\":8");
        assertEquals(
                "{\"id\":8,\"error\":\"8 prompts with an id run on this connection already, which is the limit; "
                        + "this one is dropped\",\"code\":\"too_many_prompts\"}",
                socket.next());
        script(scripts, "p3").finish(FinishReason.STOP);
        assertEquals("{\"id\":3,\"done\":true,\"total_tokens\":0}", socket.next());
        prompt("again", ",\"id\":9");
        assertEquals("again", engine.next().prompt());
    }

    @Test
    void anIdThatIsInUseIsRefusedAndFreeAgainAfterwards() throws Exception {
        prompt("x", ",\"id\":\"a\"");
        var first = engine.next();
        prompt("y", ",\"id\":\"a\"");
        assertEquals(
                "{\"id\":\"a\",\"error\":\"a prompt of this id runs on this connection already; choose another id\","
                        + "\"code\":\"duplicate_id\"}",
                socket.next());
        prompt("z", ",\"id\":[1]");
        assertTrue(socket.next().startsWith("{\"error\":\"id is a list; it must be a string or a number\""));
        first.emit("t").finish(FinishReason.STOP);
        assertEquals("{\"id\":\"a\",\"token\":\"t\",\"index\":0}", socket.next());
        assertEquals("{\"id\":\"a\",\"done\":true,\"total_tokens\":1}", socket.next());
        try (var other = worker.socket("/ws")) {
            other.send("{\"prompt\":\"x\",\"id\":\"a\"}");
            engine.next().finish(FinishReason.STOP);
            assertEquals("{\"id\":\"a\",\"done\":true,\"total_tokens\":0}", other.next());
        }
        prompt("again", ",\"id\":\"a\"");
        assertEquals("again", engine.next().prompt());
    }

    @Test
    void errorsHaveTheIdTooAndIdsHaveLimits() throws Exception {
        prompt("x", ",\"id\":\"a\",\"max_tokens\":0");
        assertEquals(
                "{\"id\":\"a\",\"error\":\"max_tokens is 0; it must be at least 1\",\"code\":\"invalid_request\"}",
                socket.next());
        prompt("x", ",\"id\":\"\"");
        assertTrue(socket.next().startsWith("{\"error\":\"id is empty; it must be at least 1 character\""));
        prompt("x", ",\"id\":\"" + "i".repeat(129) + "\"");
        assertTrue(socket.next().startsWith("{\"error\":\"id has 129 characters; it may have 128\""));
        prompt("x", ",\"id\":true");
        assertTrue(socket.next().startsWith("{\"error\":\"id is true; it must be a string or a number\""));
        prompt("x", ",\"id\":null");
        engine.next().finish(FinishReason.STOP);
        assertEquals("{\"done\":true,\"total_tokens\":0}", socket.next());
        prompt("x", ",\"id\":5");
        engine.next().emit("t").finish(FinishReason.ERROR);
        assertEquals("{\"id\":5,\"token\":\"t\",\"index\":0}", socket.next());
        assertTrue(socket.next().matches("\\{\"id\":5,\"error\":.*\"code\":\"internal_error\"}"));
    }

    @Test
    void messagesAreAConversation() throws Exception {
        socket.send(
                "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hi\"}]}");
        var script = engine.next();
        var roles = switch (script.request.prompt()) {
            case Prompt.Chat chat ->
                chat.messages().stream().map(message -> message.role()).toList();
            case Prompt.Raw _ -> List.of();
        };
        assertEquals(List.of("system", "user"), roles);
        script.finish(FinishReason.STOP);
        socket.next();
        socket.send("{\"messages\":[],\"id\":1}");
        assertTrue(socket.next().startsWith("{\"id\":1,\"error\":\"messages has 0 entries; it must have 1 to 1024\""));
        socket.send("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"prompt\":\"y\"}");
        assertTrue(socket.next().startsWith("{\"error\":\"messages and prompt are both there; send one of them\""));
        socket.send("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"raw\":true}");
        assertTrue(socket.next().startsWith("{\"error\":\"raw is true, which needs a prompt and no messages\""));
    }

    @Test
    void detailsComeOnTheLastFrameOfWhoAsks() throws Exception {
        prompt("x", ",\"details\":true");
        engine.next().emit("a").finish(FinishReason.TIMEOUT);
        assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
        var done = Events.json(socket.next());
        assertTrue(done.get("done").asBoolean());
        assertEquals("timeout", done.get("finish_reason").asText());
        assertEquals(4, done.get("usage").get("total_tokens").asInt());
        assertTrue(done.get("timings").get("first_token_ms").isNumber());
        prompt("x", "");
        engine.next().emit("a").finish(FinishReason.TIMEOUT);
        socket.next();
        assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
    }
}
