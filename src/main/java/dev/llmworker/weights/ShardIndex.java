package dev.llmworker.weights;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// The index of a model in several safetensors files, `model.safetensors.index.json`: which file has which
/// tensor.
///
/// @param shards the file's name by tensor
record ShardIndex(Path file, Map<String, String> shards) {
    static final String NAME = "model.safetensors.index.json";

    private static final int MAX_BYTES = 16 << 20;
    private static final int MAX_SHARDS = 1024;
    /// A name without a path: shards are in the index's folder.
    private static final Pattern SHARD = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}\\.safetensors");

    static ShardIndex read(Path file) throws IOException {
        var json = JsonFile.read(file, MAX_BYTES);
        var map = json.get("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw json.problem("weight_map", "is " + (map.isMissingNode() ? "missing" : "not an object with tensors"));
        }
        var shards = new LinkedHashMap<String, String>();
        for (var entry : map.properties()) {
            var shard = entry.getValue().isTextual() ? entry.getValue().textValue() : "";
            if (!SHARD.matcher(shard).matches() || shard.contains("..")) {
                throw json.problem(
                        "weight_map",
                        "has " + entry.getValue() + " for tensor " + entry.getKey()
                                + "; expected the name of a .safetensors file beside it");
            }
            shards.put(entry.getKey(), shard);
        }
        var index = new ShardIndex(file, shards);
        if (index.files().size() > MAX_SHARDS) {
            throw json.problem("weight_map", "names " + index.files().size() + " files; the limit is " + MAX_SHARDS);
        }
        return index;
    }

    TreeSet<String> files() {
        return new TreeSet<>(shards.values());
    }
}
