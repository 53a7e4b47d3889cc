package dev.llmworker.model.decoder;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A folder of a tiny model that makes vectors, as sentence-transformers saves it.
///
/// @param mean whether a vector is the mean of all tokens, or that of the last one
/// @param hasModules whether there is a `modules.json`, which says so; a reranker has none
record GoldenFolder(Path directory, boolean mean, boolean hasModules) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// @param tensors by file and name, as [GoldenWeights] has them
    Path write(Map<String, Object> config, TensorType dtype, Map<String, double[]> tensors) throws IOException {
        Files.writeString(directory.resolve("config.json"), JSON.writeValueAsString(config));
        var files = new LinkedHashMap<String, SafetensorsFile>();
        for (var tensor : GoldenWeights.of(tensors)) {
            var slash = tensor.name().indexOf('/');
            files.computeIfAbsent(
                            tensor.name().substring(0, Math.max(0, slash)),
                            _ -> new SafetensorsFile().metadata(Map.of("format", "pt")))
                    .tensor(tensor.name().substring(slash + 1), dtype, tensor.values(), tensor.shape());
        }
        for (var entry : files.entrySet()) {
            var folder = Files.createDirectories(directory.resolve(entry.getKey()));
            entry.getValue().write(folder.resolve("model.safetensors"));
        }
        if (hasModules) {
            modules(files.keySet());
        }
        return directory;
    }

    /// First the model, then pooling, matrices, and the norm.
    private void modules(Iterable<String> folders) throws IOException {
        var modules = new ArrayList<Map<String, String>>();
        modules.add(module("", "Transformer"));
        modules.add(module("1_Pooling", "Pooling"));
        config(
                "1_Pooling",
                "{\"pooling_mode_cls_token\":false,\"pooling_mode_mean_tokens\":" + mean
                        + ",\"pooling_mode_lasttoken\":" + !mean + "}");
        for (var folder : folders) {
            if (!folder.isEmpty()) {
                modules.add(module(folder, "Dense"));
                config(folder, "{\"bias\":false,\"activation_function\":\"torch.nn.modules.linear.Identity\"}");
            }
        }
        modules.add(module("5_Normalize", "Normalize"));
        Files.writeString(directory.resolve("modules.json"), JSON.writeValueAsString(List.copyOf(modules)));
    }

    private static Map<String, String> module(String path, String type) {
        return Map.of("path", path, "type", "sentence_transformers.models." + type);
    }

    private void config(String folder, String json) throws IOException {
        Files.writeString(Files.createDirectories(directory.resolve(folder)).resolve("config.json"), json);
    }
}
