package dev.llmworker.serving.camel;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.lang.ref.WeakReference;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// While a generation runs, nothing holds the body of its request: neither as it was sent nor as it was parsed.
class HeldBodiesTest {
    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private final AtomicReference<WeakReference<Object>> sent = new AtomicReference<>();
    private final AtomicReference<Exchange> running = new AtomicReference<>();

    private CompletableFuture<?> post(RunningWorker worker, String bean, String body) throws Exception {
        worker.bind("sent", (Processor)
                exchange -> sent.set(new WeakReference<>(exchange.getMessage().getBody())));
        worker.bind("parsed", (Processor) running::set);
        new RouteFolder(folder)
                .route(
                        "mine",
                        "platform-http:/mine",
                        "process: {ref: sent}",
                        "unmarshal: {custom: {ref: requestJson}}",
                        "process: {ref: parsed}",
                        "process: {ref: " + bean + "}");
        worker.routeFiles().reload();
        return RunningWorker.HTTP.sendAsync(
                worker.request("/mine")
                        .header("Content-Type", "application/json")
                        .POST(BodyPublishers.ofString(body))
                        .build(),
                BodyHandlers.ofString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "generateOrStream|{\"prompt\":\"x\"}",
                "generateOrStream|{\"prompt\":\"x\",\"stream\":true}",
                "completions|{\"prompt\":\"x\"}",
                "chatCompletions|{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}"
            })
    void whatWasParsedIsGoneWhileTheGenerationRuns(String bean, String body) throws Exception {
        RouteFolder.in(folder);
        try (var worker = RunningWorker.with(engine, folder)) {
            var answer = post(worker, bean, body);
            var script = engine.next();
            assertNull(requireNonNull(running.get()).getMessage().getBody());
            script.finish(FinishReason.STOP);
            answer.join();
        }
    }

    @Test
    void whatWasSentIsGoneWhileTheGenerationRuns() throws Exception {
        RouteFolder.in(folder);
        try (var worker = RunningWorker.with(engine, folder)) {
            var answer = post(worker, "completions", "{\"prompt\":\"x\"}");
            var script = engine.next();
            Await.until("it is in memory no more", () -> {
                System.gc();
                return requireNonNull(sent.get()).get() == null;
            });
            script.finish(FinishReason.STOP);
            answer.join();
        }
    }
}
