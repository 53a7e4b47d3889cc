package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.command.TinyModel;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.StartsProcesses;
import dev.llmworker.testing.WorkerProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Whole workers, one after the other, with one `PREFIX_CACHE_DIR`.
@StartsProcesses
class RestartTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String PROMPT = "Which river is the longest, and how long is it? ".repeat(6);

    @TempDir
    private Path directory;

    private record Answer(String text, int cached, String found) {}

    /// Starts a worker, asks it once, and stops it.
    private Answer serve(String model) throws Exception {
        var environment = Map.of(
                "ENGINE",
                "djl",
                "MODEL",
                directory.resolve(model).toString(),
                "MAX_SLOTS",
                "2",
                "DETERMINISTIC",
                "true",
                "PREFIX_CACHE_DIR",
                directory.resolve("prefixes").toString());
        try (var worker = WorkerProcess.start(Worker.class, environment)) {
            Await.until("it is ready", () -> worker.lines.stream().anyMatch(line -> line.contains(" ready: ")));
            var body = JSON.writeValueAsString(
                    Map.of("prompt", PROMPT, "max_tokens", 12, "temperature", 0, "ignore_eos", true));
            var answer = JSON.readTree(worker.post("/v1/completions", body).body());
            worker.terminate();
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
            var found = worker.lines.stream()
                    .filter(line -> line.contains(" cached prefixes of "))
                    .findFirst()
                    .orElse("");
            return new Answer(
                    answer.at("/choices/0/text").asText(),
                    answer.at("/usage/prompt_tokens_details/cached_tokens").asInt(-1),
                    found);
        }
    }

    /// The other model has the same name and size, and differs in some bits of some weights.
    @Test
    void aModelFindsItsOwnPrefixesAlone() throws Exception {
        var file = directory.resolve("model.gguf");
        TinyModel.write(file);
        var first = serve("model.gguf");
        assertEquals(0, first.cached);
        var again = serve("model.gguf");
        assertTrue(again.cached >= 200, again.toString());
        assertEquals(first.text, again.text);

        var own = Files.readAllBytes(file);
        var other = own.clone();
        for (var i = own.length - 20_000; i < own.length - 10_000; i += 34) {
            other[i] ^= 0x10;
        }
        Files.write(file, other);
        var others = serve("model.gguf");
        assertEquals(0, others.cached, others.toString());
        assertTrue(
                others.found.endsWith(
                        " 0 cached prefixes of 0 tokens, and 1 of another model, salt, format or version"),
                others.found);

        Files.write(file, own);
        var back = serve("model.gguf");
        assertTrue(back.cached >= 200, back.toString());
        assertEquals(first.text, back.text);
    }
}
