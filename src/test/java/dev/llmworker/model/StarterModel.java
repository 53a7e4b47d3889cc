package dev.llmworker.model;

import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.weights.Gguf;
import java.io.IOException;

/// The model that the worker serves when none is chosen, SmolLM2-135M-Instruct in Q4_1.
final class StarterModel {
    private StarterModel() {}

    static TorchDecoder load(DecoderOptions options) throws IOException, InterruptedException {
        try (var model = Gguf.open(StarterModelFile.path())) {
            return TorchDecoder.load(model, options, _ -> {});
        }
    }
}
