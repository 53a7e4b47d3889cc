package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// CVE-2026-46726: a query parameter of a WebSocket must not become a header that sends its answers to everybody.
class ControlParametersTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    @Test
    void noParameterOfOneSocketReachesAnother() throws Exception {
        try (var victim = worker.socket("/ws")) {
            for (var query : new String[] {
                "CamelVertxWebsocket.sendToAll=true",
                "camelvertxwebsocket.sendtoall=true",
                "CAMELVERTXWEBSOCKET.SENDTOALL=true",
                "%43amelVertxWebsocket.sendToAll=true",
                "a=1&CamelVertxWebsocket.connectionKey=x",
                "websocket.sendToAll=true",
                "connectionKey=x",
                "operationName=x",
                "org.apache.camel.x=y",
                "%20CamelVertxWebsocket.sendToAll=true",
            }) {
                assertEquals(400, worker.get("/stats?" + query).statusCode(), query);
                try (var attacker = worker.socket("/ws?" + query)) {
                    attacker.send("{\"prompt\":\"mine\",\"max_tokens\":1}");
                } catch (CompletionException _) {
                    // The handshake was refused, as it should be; what counts is what the victim gets.
                }
            }
            var answer =
                    victim.send("{\"prompt\":\"only this\",\"max_tokens\":1}").answer();
            assertTrue(TestSocket.text(answer).startsWith("Response to: 'only this'"), answer.toString());
        }
    }

    @Test
    void aChatTemplateThatAClientSendsIsNotUsed() throws Exception {
        var start = "{\"messages\":[{\"role\":\"user\",\"content\":\"mine\"}],";
        for (var field : new String[] {"chat_template_kwargs", "template"}) {
            var answer = worker.post("/v1/chat/completions", start + "\"" + field + "\":{\"a\":\"{{ 6 * 7 }}\"}}");
            assertEquals(200, answer.statusCode(), answer.body());
            assertTrue(answer.body().contains("Response to: 'mine'"), answer.body());
        }
        for (var field : new String[] {"chat_template", "documents"}) {
            var answer = worker.post("/v1/chat/completions", start + "\"" + field + "\":\"{{ 6 * 7 }}\"}");
            assertEquals(400, answer.statusCode(), answer.body());
            assertTrue(answer.body().contains(field + " is not supported"), answer.body());
        }
    }

    @Test
    void otherParametersAreTaken() throws Exception {
        assertEquals(200, worker.get("/stats?token=x&camera=y&q=camel").statusCode());
        try (var socket = worker.socket("/ws?token=x")) {
            assertEquals(
                    2,
                    socket.send("{\"prompt\":\"x\",\"max_tokens\":1}").answer().size());
        }
    }
}
