package dev.llmworker.model.decoder;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.MemoryPlan;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.loading.HeldType;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/// Describes a model that has been checked, and how it would be loaded.
///
/// @param architecture as GGUF names it
/// @param sizes the model's sizes, in words
/// @param vocabularySize token ids are 0 to this, exclusive
/// @param types bytes of the tensors by how their elements are stored
/// @param parameters all tensors' elements
/// @param activeParameters those that are used for a token
/// @param quantisation how matrices are stored that have another form than their type: `gptq, 4 bits; of its
///     matrices 14 in Q4_1`. Empty if none is
/// @param device where it would run
/// @param weightFormat how the weights would be held there
/// @param held what the tensors of each type become there
/// @param stepBytes bytes of weights that are read for a token, at least
public record ModelSummary(
        String architecture,
        String sizes,
        int vocabularySize,
        Map<TensorType, Long> types,
        long parameters,
        long activeParameters,
        String quantisation,
        String device,
        String weightFormat,
        List<HeldType> held,
        long stepBytes,
        MemoryPlan memory) {
    /// Checks a model without loading it. Each tensor is read once.
    ///
    /// @throws dev.llmworker.weights.ModelFileException if the model is not supported, or its tensors do not fit
    ///     or are not finite
    /// @throws IllegalArgumentException if the options do not fit the model or machine
    public static ModelSummary of(StoredModel model, DecoderOptions options) throws IOException, InterruptedException {
        Libtorch.await();
        var device = Devices.of(options.device());
        var described = Architectures.describe(model);
        var program = ProgramChoice.of(described, options, device).open(device, 1);
        try {
            return new ModelLoader(model, described, options, device, program).check();
        } finally {
            program.close();
        }
    }

    static ModelSummary of(
            StoredModel model,
            ModelConfig config,
            String device,
            String weightFormat,
            List<HeldType> held,
            long stepBytes,
            MemoryPlan memory) {
        var types = new EnumMap<TensorType, Long>(TensorType.class);
        var parameters = 0L;
        var active = 0.0;
        for (var entry : model.tensors().entrySet()) {
            var tensor = entry.getValue();
            active += tensor.elements() * LayerTensors.shareUsed(entry.getKey(), config);
            types.merge(tensor.type(), tensor.bytes(), Long::sum);
            parameters += tensor.elements();
        }
        var sizes = config.layers().size() + " layers of " + config.hidden() + ": " + config.kinds() + "; trained for "
                + config.contextLength() + " tokens";
        return new ModelSummary(
                config.architecture(),
                sizes,
                config.vocabulary(),
                types,
                parameters,
                Math.round(active),
                quantisation(model, device),
                device,
                weightFormat,
                held,
                stepBytes,
                memory);
    }

    private static String quantisation(StoredModel model, String device) {
        var counts = new EnumMap<TensorType, Integer>(TensorType.class);
        for (var tensor : model.tensors().values()) {
            if (tensor.packed() != null) {
                counts.merge(tensor.type(), 1, Integer::sum);
            }
        }
        if (model.quantisation().isEmpty()) {
            return "";
        }
        var types = counts.entrySet().stream()
                .map(type -> type.getValue() + " in " + type.getKey())
                .collect(Collectors.joining(", "));
        return model.quantisation() + "; of its matrices " + types
                + (counts.containsKey(TensorType.F16) ? faster(device) : "");
    }

    /// What would be read in less time than float16.
    private static String faster(String device) {
        return device.equals("cpu")
                ? "; faster: a GGUF file in Q8_0 or Q4_K, which has 2 to 4 times fewer bytes than F16"
                : "; faster: a server that keeps them quantised on a GPU, such as vLLM";
    }

    /// `134.5 million in Q4_1 84.1 MB, F32 0.1 MB`.
    public String weights() {
        var active = activeParameters == parameters
                ? ""
                : String.format(Locale.ROOT, ", of which a token uses %.1f million,", activeParameters / 1e6);
        return String.format(Locale.ROOT, "%.1f million%s in ", parameters / 1e6, active)
                + types.entrySet().stream()
                        .sorted(Map.Entry.<TensorType, Long>comparingByValue().reversed())
                        .map(type -> String.format(Locale.ROOT, "%s %.1f MB", type.getKey(), type.getValue() / 1e6))
                        .collect(Collectors.joining(", "));
    }
}
