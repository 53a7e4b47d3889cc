package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// What sentence-transformers' `modules.json` says follows the model: pooling, matrices and a norm.
///
/// @param file `modules.json`
/// @param pooling GGUF's number of it; 0 if the file has none, or does not exist
/// @param dense the folders of the matrices, in their order
record HubModules(Path file, int pooling, List<String> dense) {
    static final String NAME = "modules.json";
    private static final int MAX_BYTES = 1 << 20;
    private static final int MAX_DENSE = 4;
    /// GGUF calls the first one so.
    private static final int FIRST_DENSE = 2;
    /// A folder of the model's own.
    private static final Pattern FOLDER = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,99}");

    private static final Map<String, Integer> POOLINGS =
            Map.of("mean", 1, "pooling_mode_mean_tokens", 1, "lasttoken", 3, "pooling_mode_lasttoken", 3);
    private static final String LINEAR = "linear.weight";
    private static final Set<String> NO_ACTIVATION = Set.of("", "torch.nn.modules.linear.Identity");

    /// Reads the file of a folder, if there is one.
    static HubModules read(Path folder) throws IOException {
        var file = folder.resolve(NAME);
        if (Files.notExists(file)) {
            return new HubModules(file, 0, List.of());
        }
        var pooling = 0;
        var dense = new ArrayList<String>();
        for (var module : JsonFile.list(file, MAX_BYTES)) {
            var type = module.path("type").asText();
            var path = module.path("path").asText();
            if (!path.isEmpty() && (!FOLDER.matcher(path).matches() || path.contains(".."))) {
                throw new ModelFileException(file, "has the path \"" + path + "\"; expected a folder beside it");
            }
            switch (type.substring(type.lastIndexOf('.') + 1)) {
                case "Transformer", "Normalize" -> {}
                case "Pooling" -> pooling = pooling(JsonFile.read(config(folder, path), MAX_BYTES));
                case "Dense" -> {
                    check(JsonFile.read(config(folder, path), MAX_BYTES));
                    dense.add(path);
                }
                default ->
                    throw new ModelFileException(
                            file, "has the module " + type + "; supported: Transformer, Pooling, Dense, Normalize");
            }
        }
        if (dense.size() > MAX_DENSE) {
            throw new ModelFileException(file, "has " + dense.size() + " Dense modules; the limit is " + MAX_DENSE);
        }
        return new HubModules(file, pooling, dense);
    }

    private static Path config(Path folder, String path) {
        return folder.resolve(path).resolve(HubConfig.NAME);
    }

    private static int pooling(JsonFile config) throws ModelFileException {
        var modes = Stream.concat(
                        Stream.of(config.get("pooling_mode").asText()),
                        config.root().properties().stream()
                                .filter(field -> field.getKey().startsWith("pooling_mode_"))
                                .filter(field -> field.getValue().asBoolean())
                                .map(Map.Entry::getKey))
                .filter(mode -> !mode.isEmpty())
                .toList();
        var known = modes.stream().map(POOLINGS::get).distinct().toList();
        if (known.size() != 1 || known.getFirst() == null) {
            throw config.problem("pooling_mode", "is " + modes + "; supported: mean or lasttoken");
        }
        return known.getFirst();
    }

    private static void check(JsonFile config) throws ModelFileException {
        var activation = config.get("activation_function").asText();
        if (!NO_ACTIVATION.contains(activation)) {
            throw config.problem(
                    "activation_function", "is " + activation + "; supported: torch.nn.modules.linear.Identity");
        }
        if (config.get("bias").asBoolean(true)) {
            throw config.problem("bias", "is true or missing; supported: false");
        }
    }

    /// The matrices, by GGUF's names.
    Map<String, Tensor> tensors(Arena arena) throws IOException {
        var found = new LinkedHashMap<String, Tensor>();
        for (var path : dense) {
            var weights = file.resolveSibling(path).resolve("model.safetensors");
            var quantised = new LinkedHashMap<String, RawTensor>();
            var all = SafetensorsShard.read(weights, StoredModel.map(weights, arena))
                    .tensors(_ -> false, quantised);
            if (!quantised.isEmpty()) {
                throw quantised
                        .sequencedValues()
                        .getFirst()
                        .problem("is quantised; these layers must be F32, F16 or BF16");
            }
            var tensor = all.get(LINEAR);
            if (tensor == null || all.size() > 1) {
                throw new ModelFileException(weights, "has the tensors " + all.keySet() + "; expected " + LINEAR);
            }
            found.put("dense_" + (FIRST_DENSE + found.size()) + ".weight", tensor);
        }
        return found;
    }
}
