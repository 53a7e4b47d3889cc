package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.stats.Stages;
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

    /// Of a program on the CPU.
    static TorchDecoder load(DecoderOptions options, ProgramKind program) throws IOException, InterruptedException {
        try (var model = Gguf.open(StarterModelFile.path())) {
            var described = Architectures.describe(model);
            return TorchDecoder.load(model, described, options, Device.cpu(), program, _ -> {}, new Stages());
        }
    }
}
