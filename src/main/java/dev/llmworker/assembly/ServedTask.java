package dev.llmworker.assembly;

import dev.llmworker.engine.RerankPrompt;
import dev.llmworker.generation.Task;
import dev.llmworker.model.Pooling;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.decoder.Encoder;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// What a model is served as: what `TASK` says, or what the model's files say.
final class ServedTask {
    private ServedTask() {}

    /// @throws IllegalArgumentException if the model cannot do what `TASK` says
    static Task of(SettingsTable.Task setting, StoredModel model) throws ModelFileException {
        var task = switch (setting) {
            case GENERATE -> Task.GENERATE;
            case EMBED -> Task.EMBED;
            case RERANK -> Task.RERANK;
            case AUTO ->
                Pooling.kind(model)
                        .map(kind -> kind == Pooling.Kind.RANK ? Task.RERANK : Task.EMBED)
                        .orElse(Architectures.describe(model).isBidirectional() ? Task.EMBED : Task.GENERATE);
        };
        if (task != Task.EMBED && Architectures.describe(model).isBidirectional()) {
            throw new IllegalArgumentException("TASK is " + setting.name().toLowerCase(Locale.ROOT)
                    + "; this model's tokens see those after them, so it can only embed");
        }
        return task;
    }

    /// @param task any but to generate
    /// @throws IllegalArgumentException if the model has no tokens to answer with
    static Encoder encoder(Task task, TorchDecoder decoder, StoredModel model, Tokenizer tokenizer)
            throws ModelFileException {
        if (task == Task.RERANK) {
            var answers = Arrays.stream(RerankPrompt.answers(tokenizer)).boxed().toList();
            return decoder.encoder(model, new Pooling(false, answers));
        }
        var isMean = Pooling.kind(model)
                .map(kind -> kind == Pooling.Kind.MEAN)
                .orElse(Architectures.describe(model).isBidirectional());
        return decoder.encoder(model, new Pooling(isMean, List.of()));
    }
}
