package dev.llmworker.model;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.nio.file.Path;

/// The model that the worker serves when none is chosen, SmolLM2-135M-Instruct in Q4_1, where a test run has its file:
/// system property `starter.model` or environment variable `STARTER_MODEL_FILE`.
final class StarterModel {
    private StarterModel() {}

    static TorchDecoder load(DecoderOptions options) throws IOException, InterruptedException {
        var file = System.getProperty("starter.model", System.getenv("STARTER_MODEL_FILE"));
        assumeTrue(file != null, "neither starter.model nor STARTER_MODEL_FILE names the starter model's file");
        try (var model = Gguf.open(Path.of(file))) {
            return TorchDecoder.load(model, options, _ -> {});
        }
    }
}
