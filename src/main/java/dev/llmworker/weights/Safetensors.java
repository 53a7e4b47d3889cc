package dev.llmworker.weights;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A model as transformers saves it: `config.json`, and the weights in `model.safetensors` or in the files that
/// `model.safetensors.index.json` lists. Files are untrusted: opening them checks everything except the values of
/// the weights, which [Tensor#checkFinite()] checks.
public final class Safetensors extends StoredModel {
    /// Put before names that GGUF does not have, so that none of them equals one of GGUF's.
    private static final String UNNAMED = "?";
    private static final Logger LOG = LoggerFactory.getLogger(Safetensors.class);

    private static final String SUFFIX = ".safetensors";
    private static final String SINGLE = "model" + SUFFIX;
    private static final String INDEX = SINGLE + ".index.json";
    private static final int MAX_INDEX_BYTES = 16 << 20;
    private static final int MAX_SHARDS = 1024;
    /// A name without a path: shards are in the index's folder.
    private static final Pattern SHARD_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}\\.safetensors");
    private static final Pattern SHARD = Pattern.compile(".*-\\d{5}-of-\\d{5}\\.safetensors");

    private final String quantisation;

    /// The tensors of some files, by their names there.
    ///
    /// @param raw those that are only parts of quantised matrices
    private record Contents(Map<String, Tensor> tensors, Map<String, RawTensor> raw) {
        boolean has(String name) {
            return tensors.containsKey(name) || raw.containsKey(name);
        }
    }

    private Safetensors(Path folder, Arena arena, Metadata metadata, Map<String, Tensor> tensors, String quantisation) {
        super(folder, arena, metadata, tensors);
        this.quantisation = quantisation;
    }

    @Override
    public String quantisation() {
        return quantisation;
    }

    /// Whether a path is a safetensors model: a folder, or a file by its name.
    public static boolean isOne(Path path) {
        return Files.isDirectory(path)
                || path.toString().endsWith(SUFFIX)
                || path.toString().endsWith(INDEX);
    }

    /// Opens a model of any architecture: see [#open(Path, Check)].
    public static Safetensors open(Path path) throws IOException {
        return open(path, _ -> {});
    }

    /// @param path the folder, or a weights file with the other files beside it; one of several weights files
    ///     stands for all
    /// @param check comes before the rest of `config.json`
    /// @throws ModelFileException if they are not valid files of a model whose tensors all have supported types
    /// @throws IOException if they cannot be read
    public static Safetensors open(Path path, Check check) throws IOException {
        var folder = Files.isDirectory(path)
                ? path
                : Objects.requireNonNull(path.toAbsolutePath().getParent());
        if (!Files.isDirectory(path)) {
            requireRegular(path);
        }
        var config = HubConfig.read(folder.resolve(HubConfig.NAME), check);
        return opened(arena -> {
            var quantisation = config.quantisation();
            var tensors = named(quantisation, contents(path, folder, arena));
            config.complete(tensors, arena);
            var modules = HubModules.read(folder);
            config.pool(modules);
            tensors.putAll(modules.tensors(arena));
            var described = quantisation == null ? "" : quantisation.toString();
            return new Safetensors(folder, arena, config.metadata(), tensors, described);
        });
    }

    private static List<Contents> contents(Path path, Path folder, Arena arena) throws IOException {
        var index = folder.resolve(INDEX);
        if (Files.isDirectory(path)) {
            var single = folder.resolve(SINGLE);
            // The same order as in transformers.
            if (Files.exists(single)) {
                return List.of(of(single, arena));
            }
            if (Files.exists(index)) {
                return sharded(index, arena);
            }
            throw new ModelFileException(folder, "has neither " + SINGLE + " nor " + INDEX + others(folder));
        }
        var isPart = SHARD.matcher(path.getFileName().toString()).matches() && Files.exists(index);
        return isPart || path.endsWith(INDEX) ? sharded(index, arena) : List.of(of(path, arena));
    }

    private static String others(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            var pickled = files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".pth"))
                    .sorted()
                    .findFirst();
            return pickled.map(name -> "; " + name + " is not read, because reading it runs code that it contains: "
                            + "transformers' save_pretrained writes safetensors")
                    .orElse("");
        }
    }

    /// The names of the files that an index lists, all in its folder.
    ///
    /// @param index `model.safetensors.index.json`
    public static Set<String> shards(Path index) throws IOException {
        return new TreeSet<>(fileByTensor(index).values());
    }

    private static List<Contents> sharded(Path index, Arena arena) throws IOException {
        var fileByTensor = fileByTensor(index);
        var shards = new LinkedHashMap<String, Contents>();
        for (var name : new TreeSet<>(fileByTensor.values())) {
            shards.put(name, of(index.resolveSibling(name), arena));
        }
        for (var entry : fileByTensor.entrySet()) {
            var shard = shards.get(entry.getValue());
            if (shard == null || !shard.has(entry.getKey()) && !HubTensorNames.isLeftOut(entry.getKey())) {
                throw new ModelFileException(
                        index,
                        "weight_map has tensor " + entry.getKey() + " in " + entry.getValue() + ", which lacks it");
            }
        }
        return List.copyOf(shards.values());
    }

    /// Reads the index: which file has which tensor. All are in its folder.
    private static Map<String, String> fileByTensor(Path index) throws IOException {
        var json = JsonFile.read(index, MAX_INDEX_BYTES);
        var map = json.get("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw json.problem("weight_map", "is " + (map.isMissingNode() ? "missing" : "not an object with tensors"));
        }
        var shards = new LinkedHashMap<String, String>();
        for (var entry : map.properties()) {
            var shard = entry.getValue().isTextual() ? entry.getValue().textValue() : "";
            if (!SHARD_NAME.matcher(shard).matches() || shard.contains("..")) {
                throw json.problem(
                        "weight_map",
                        "has " + entry.getValue() + " for tensor " + entry.getKey()
                                + "; expected the name of a .safetensors file beside it");
            }
            shards.put(entry.getKey(), shard);
        }
        var files = new TreeSet<>(shards.values()).size();
        if (files > MAX_SHARDS) {
            throw json.problem("weight_map", "names " + files + " files; the limit is " + MAX_SHARDS);
        }
        return shards;
    }

    private static Contents of(Path file, Arena arena) throws IOException {
        var mapping = map(file, arena);
        var shard = SafetensorsShard.read(file, mapping);
        var towers = shard.names().filter(HubTensorNames::isOfTower).count();
        if (towers > 0) {
            LOG.info("{}: {} tensors for pictures or sound are left out", file.getFileName(), towers);
        }
        var raw = new LinkedHashMap<String, RawTensor>();
        return new Contents(shard.tensors(HubTensorNames::isLeftOut, raw), raw);
    }

    private static Map<String, Tensor> named(@Nullable Quantisation quantisation, List<Contents> shards)
            throws ModelFileException {
        var all = new LinkedHashMap<String, Tensor>();
        var raw = new LinkedHashMap<String, RawTensor>();
        for (var shard : shards) {
            for (var tensor : shard.tensors().values()) {
                refuseSecond(tensor, all.putIfAbsent(tensor.name(), tensor));
            }
            for (var part : shard.raw().values()) {
                var other = raw.putIfAbsent(part.name(), part);
                if (other != null) {
                    throw part.problem("is in " + other.file().getFileName() + " as well");
                }
            }
        }
        var names = new HubTensorNames(Set.copyOf(all.keySet()));
        SplitBlocks.join(all);
        QuantisedParts.join(quantisation, all, raw);
        var tensors = new LinkedHashMap<String, Tensor>();
        for (var tensor : all.values()) {
            var name = names.toGguf(tensor).orElseGet(() -> UNNAMED + tensor.name());
            refuseSecond(tensor, tensors.putIfAbsent(name, tensor));
        }
        return tensors;
    }

    static void refuseSecond(Tensor tensor, @Nullable Tensor other) throws ModelFileException {
        if (other != null) {
            throw tensor.problem("is in " + other.file().getFileName() + " as well");
        }
    }
}
