package dev.llmworker.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A model as transformers saves it: `config.json`, and the weights in `model.safetensors` or in the files that
/// `model.safetensors.index.json` lists. Files are untrusted: opening them checks everything except the values of
/// the weights, which [Tensor#checkFinite()] checks.
public final class Safetensors implements StoredModel {
    /// Put before names that GGUF does not have, so that none of them equals one of GGUF's.
    private static final String UNNAMED = "?";
    private static final Logger LOG = LoggerFactory.getLogger(Safetensors.class);

    private static final String SUFFIX = ".safetensors";
    private static final String SINGLE = "model" + SUFFIX;
    private static final Pattern SHARD = Pattern.compile(".*-\\d{5}-of-\\d{5}\\.safetensors");

    private final Path folder;
    private final Arena arena;
    private final Metadata metadata;
    private final Map<String, Tensor> tensors;

    private Safetensors(Path folder, Arena arena, Metadata metadata, Map<String, Tensor> tensors) {
        this.folder = folder;
        this.arena = arena;
        this.metadata = metadata;
        this.tensors = tensors;
    }

    /// Whether a path is a safetensors model: a folder, or a file by its name.
    public static boolean isOne(Path path) {
        return Files.isDirectory(path)
                || path.toString().endsWith(SUFFIX)
                || path.toString().endsWith(ShardIndex.NAME);
    }

    /// Opens a model. The arena is closed here if the files are rejected, and by `close` otherwise.
    ///
    /// @param path the folder, or a weights file with the other files beside it; one of several weights files
    ///     stands for all
    /// @throws ModelFileException if they are not valid files of a model whose tensors all have supported types
    /// @throws IOException if they cannot be read
    @SuppressWarnings("MustBeClosedChecker")
    public static Safetensors open(Path path) throws IOException {
        var folder = Files.isDirectory(path)
                ? path
                : Objects.requireNonNull(path.toAbsolutePath().getParent());
        if (!Files.isDirectory(path)) {
            MappedFile.requireRegular(path);
        }
        var config = HubConfig.read(folder.resolve(HubConfig.NAME));
        var arena = Arena.ofShared();
        var opened = false;
        try {
            var tensors = tensors(path, folder, arena);
            config.complete(tensors, arena);
            var model = new Safetensors(folder, arena, config.metadata(), Collections.unmodifiableMap(tensors));
            opened = true;
            return model;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    private static Map<String, Tensor> tensors(Path path, Path folder, Arena arena) throws IOException {
        var index = folder.resolve(ShardIndex.NAME);
        if (Files.isDirectory(path)) {
            var single = folder.resolve(SINGLE);
            // The same order as in transformers.
            if (Files.exists(single)) {
                return single(single, arena);
            }
            if (Files.exists(index)) {
                return sharded(ShardIndex.read(index), arena);
            }
            throw new ModelFileException(folder, "has neither " + SINGLE + " nor " + ShardIndex.NAME + others(folder));
        }
        var isPart = SHARD.matcher(path.getFileName().toString()).matches() && Files.exists(index);
        return isPart || path.endsWith(ShardIndex.NAME) ? sharded(ShardIndex.read(index), arena) : single(path, arena);
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
        return ShardIndex.read(index).files();
    }

    private static Map<String, Tensor> single(Path file, Arena arena) throws IOException {
        return named(List.of(of(file, arena)));
    }

    private static Map<String, Tensor> sharded(ShardIndex index, Arena arena) throws IOException {
        var shards = new LinkedHashMap<String, Map<String, Tensor>>();
        for (var name : index.files()) {
            shards.put(name, of(index.file().resolveSibling(name), arena));
        }
        for (var entry : index.shards().entrySet()) {
            var shard = shards.get(entry.getValue());
            if (shard == null || !shard.containsKey(entry.getKey()) && !HubTensorNames.isLeftOut(entry.getKey())) {
                throw new ModelFileException(
                        index.file(),
                        "weight_map has tensor " + entry.getKey() + " in " + entry.getValue() + ", which lacks it");
            }
        }
        return named(new ArrayList<>(shards.values()));
    }

    private static Map<String, Tensor> of(Path file, Arena arena) throws IOException {
        var mapping = MappedFile.map(file, arena);
        var header = SafetensorsHeader.read(file, mapping);
        var towers = header.tensors().stream()
                .filter(tensor -> HubTensorNames.isOfTower(tensor.name()))
                .count();
        if (towers > 0) {
            LOG.info("{}: {} tensors for pictures or sound are left out", file.getFileName(), towers);
        }
        return SafetensorsLayout.place(file, mapping, header, HubTensorNames::isLeftOut);
    }

    private static Map<String, Tensor> named(List<Map<String, Tensor>> shards) throws ModelFileException {
        var names = new HubTensorNames(
                shards.stream().flatMap(shard -> shard.keySet().stream()).collect(Collectors.toSet()));
        var all = new LinkedHashMap<String, Tensor>();
        for (var shard : shards) {
            for (var tensor : shard.values()) {
                refuseSecond(tensor, all.putIfAbsent(tensor.name(), tensor));
            }
        }
        SplitBlocks.join(all);
        var tensors = new LinkedHashMap<String, Tensor>();
        for (var tensor : all.values()) {
            var name = names.toGguf(tensor.name()).orElseGet(() -> UNNAMED + tensor.name());
            refuseSecond(tensor, tensors.putIfAbsent(name, tensor));
        }
        return tensors;
    }

    private static void refuseSecond(Tensor tensor, @Nullable Tensor other) throws ModelFileException {
        if (other != null) {
            throw tensor.problem("is in " + other.file().getFileName() + " as well");
        }
    }

    /// The folder of the model's files.
    @Override
    public Path file() {
        return folder;
    }

    @Override
    public Metadata metadata() {
        return metadata;
    }

    @Override
    public boolean fromHub() {
        return true;
    }

    @Override
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    @Override
    public Tensor tensor(String name) throws ModelFileException {
        if (!tensors.containsKey(name)) {
            throw new ModelFileException(
                    folder,
                    "tensor " + HubTensorNames.fromGguf(name) + " is missing among " + tensors.size() + " tensors");
        }
        return StoredModel.super.tensor(name);
    }

    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
