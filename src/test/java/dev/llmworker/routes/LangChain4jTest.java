package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.TestWorker;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/// LangChain4j's client against a worker: Camel's component in `routes/examples/assistant.camel.yaml`, and streams.
class LangChain4jTest {
    private static final String KEY = "a-key-of-langchain4j";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine).with("API_KEYS", KEY);

    @BeforeEach
    void configure() {
        System.setProperty("LLM_URL", worker.uri("/v1").toString());
    }

    @AfterEach
    void forget() {
        System.clearProperty("LLM_URL");
        System.clearProperty("LLM_KEY");
    }

    private static CompletableFuture<HttpResponse<String>> ask(TestWorker application, String body) {
        return RunningWorker.HTTP.sendAsync(
                application
                        .request("/assistant")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void aRouteAsksByCamelsComponent(@TempDir Path folder) throws Exception {
        System.setProperty("LLM_KEY", KEY);
        try (var application = RunningWorker.with(
                new ScriptedGenerator(), RouteFolder.in(folder, "assistant").path())) {
            var answer = ask(application, "{\"question\":\"Why is the \\\"sky\\\" blue?\"}");
            var script = engine.next();
            assertEquals("Why is the \"sky\" blue?", script.prompt());
            assertEquals(200, script.request.tokenLimit());
            assertEquals(0, script.request.sampling().temperature());
            script.emit("Be").emit("cause é.").finish(FinishReason.STOP);
            assertEquals("{\"answer\":\"Because é.\"}", answer.join().body());
            assertEquals(400, ask(application, "{}").join().statusCode());
        }
    }

    @Test
    void withoutAGoodKeyNothingIsGenerated(@TempDir Path folder) throws Exception {
        System.setProperty("LLM_KEY", "another-key-altogether");
        try (var application = RunningWorker.with(
                new ScriptedGenerator(), RouteFolder.in(folder, "assistant").path())) {
            var answer = ask(application, "{\"question\":\"x\"}").join();
            assertEquals(500, answer.statusCode());
            assertTrue(engine.hasNone());
        }
    }

    @Test
    void itsStreamsComeTokenByToken() throws Exception {
        var model = OpenAiStreamingChatModel.builder()
                .baseUrl(worker.uri("/v1").toString())
                .apiKey(KEY)
                .modelName("scripted")
                .build();
        var parts = new CopyOnWriteArrayList<String>();
        var whole = new CompletableFuture<ChatResponse>();
        model.chat("Hello", new StreamingChatResponseHandler() {
            @Override
            public void onPartialResponse(String part) {
                parts.add(part);
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
                whole.complete(response);
            }

            @Override
            public void onError(Throwable error) {
                whole.completeExceptionally(error);
            }
        });
        var script = engine.next();
        script.emit("It ");
        Await.until("the first token is there", () -> parts.equals(List.of("It ")));
        script.emit("streams.").finish(FinishReason.STOP);
        var response = whole.get(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS);
        assertEquals("It streams.", response.aiMessage().text());
        assertEquals(5, response.tokenUsage().totalTokenCount());
    }
}
