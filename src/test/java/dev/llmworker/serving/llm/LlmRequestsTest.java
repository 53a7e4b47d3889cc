package dev.llmworker.serving.llm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a step `llm:generate` and its body may ask for is what `/generate` takes.
class LlmRequestsTest {
    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private RunningWorker worker(String uri) throws Exception {
        return RunningWorker.with(
                engine,
                RouteFolder.in(folder)
                        .route(
                                "step",
                                "platform-http:/step",
                                "unmarshal: {custom: {ref: strictJson}}",
                                "to: '" + uri + "'")
                        .path());
    }

    @Test
    void aTopPOfNothingIsGreedy() throws Exception {
        try (var worker = worker("llm:generate?top_p=0&top_k=-1")) {
            var answer = RunningWorker.HTTP.sendAsync(
                    worker.request("/step")
                            .POST(BodyPublishers.ofString("{\"prompt\":\"x\"}"))
                            .build(),
                    BodyHandlers.ofString());
            var script = engine.next();
            script.emit("y").finish(FinishReason.STOP);
            assertTrue(script.request.sampling().isGreedy());
            assertEquals(0, script.request.sampling().topK());
            assertEquals("y", answer.join().body());
        }
    }

    @Test
    void whatIsNotSupportedIsRefusedHereToo() throws Exception {
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "reached", "the engine was reached");
        try (var worker = worker("llm:generate")) {
            var answer = worker.post("/step", "{\"prompt\":\"x\",\"grammar\":\"root ::= x\"}");
            assertEquals(400, answer.statusCode());
            assertTrue(answer.body().contains("grammar is not supported"), answer.body());
        }
    }
}
