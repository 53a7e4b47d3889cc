package dev.llmworker.weights;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/// A GGUF model of version 2 or 3, in one file or several, mapped read-only. Files are untrusted: opening one checks
/// everything
/// except the values of the weights, which [Tensor#checkFinite()] checks.
public final class Gguf extends StoredModel {
    /// The largest known models have 126 blocks.
    static final int MAX_BLOCKS = 1024;

    private static final String ARCHITECTURE = "general.architecture";
    /// Of a file of a model in several ones: its number from 0 on, how many there are, and the tensors of all.
    private static final String PART_NUMBER = "split.no";

    private static final String PART_COUNT = "split.count";
    private static final String PART_TENSORS = "split.tensors.count";

    private Gguf(Path file, Arena arena, Metadata metadata, Map<String, Tensor> tensors) {
        super(file, arena, metadata, tensors);
    }

    /// Opens a model of any architecture: see [#open(Path, Check)].
    public static Gguf open(Path file) throws IOException {
        return open(file, _ -> {});
    }

    /// @param file a regular file or a link to one; of a model in several files the first one
    /// @param check comes before the types of tensors
    /// @throws ModelFileException if it is not a valid GGUF file whose tensors all have supported types
    /// @throws IOException if it cannot be read
    public static Gguf open(Path file, Check check) throws IOException {
        return opened(arena -> {
            var mapping = map(file, arena);
            var header = HeaderReader.read(file, mapping, check);
            var metadata = header.metadata();
            checkBlocks(file, metadata);
            var tensors = TensorLayout.place(file, mapping, header);
            var count = metadata.integer(PART_COUNT, 1);
            if (count > 1) {
                var files = GgufParts.files(file, count, metadata.integer(PART_NUMBER, 0));
                for (var part = 1; part < count; part++) {
                    addPart(tensors, files.get(part), part, metadata, arena);
                }
                checkTensorCount(metadata, tensors.size());
            }
            return new Gguf(file, arena, metadata, withoutDrafts(metadata, tensors));
        });
    }

    /// Adds the tensors of another file of the same model.
    private static void addPart(Map<String, Tensor> tensors, Path file, int part, Metadata first, Arena arena)
            throws IOException {
        if (Files.notExists(file)) {
            throw new ModelFileException(
                    file, "does not exist; it is part " + (part + 1) + " of " + first.integer(PART_COUNT));
        }
        var mapping = map(file, arena);
        var header = HeaderReader.read(file, mapping, _ -> {});
        for (var entry :
                Map.of(PART_NUMBER, part, PART_COUNT, first.integer(PART_COUNT)).entrySet()) {
            requireOfOneModel(header.metadata(), entry.getKey(), entry.getValue());
        }
        if (first.has(PART_TENSORS)) {
            requireOfOneModel(header.metadata(), PART_TENSORS, first.integer(PART_TENSORS));
        }
        // Only the first file has to have it.
        var architecture = header.metadata().string(ARCHITECTURE, first.string(ARCHITECTURE, ""));
        if (!architecture.equals(first.string(ARCHITECTURE, ""))) {
            throw header.metadata()
                    .problem(
                            ARCHITECTURE,
                            "is " + architecture + "; the first part asks for " + first.string(ARCHITECTURE, ""));
        }
        for (var tensor : TensorLayout.place(file, mapping, header).values()) {
            var other = tensors.putIfAbsent(tensor.name(), tensor);
            if (other != null) {
                throw tensor.problem("is in " + other.file().getFileName() + " too");
            }
        }
    }

    private static void requireOfOneModel(Metadata part, String key, int expected) throws ModelFileException {
        var found = part.integer(key);
        if (found != expected) {
            throw part.problem(key, "is " + found + "; the first part asks for " + expected);
        }
    }

    private static void checkTensorCount(Metadata metadata, int found) throws ModelFileException {
        var expected = metadata.integer(PART_TENSORS, found);
        if (found != expected) {
            throw metadata.problem(PART_TENSORS, "is " + expected + "; all parts together have " + found);
        }
    }

    /// Leaves out the last blocks if they only predict tokens after the next. They count as blocks.
    private static Map<String, Tensor> withoutDrafts(Metadata metadata, Map<String, Tensor> tensors)
            throws ModelFileException {
        var prefix = metadata.string(ARCHITECTURE, "") + ".";
        var drafts = metadata.integer(prefix + "nextn_predict_layers", 0);
        var blocks = metadata.integer(prefix + "block_count", 1);
        if (drafts == 0) {
            return tensors;
        }
        if (drafts < 0 || drafts >= blocks) {
            throw metadata.problem(prefix + "nextn_predict_layers", "is " + drafts + "; expected 0 to " + (blocks - 1));
        }
        var kept = new LinkedHashMap<>(tensors);
        for (var draft = blocks - drafts; draft < blocks; draft++) {
            var block = "blk." + draft + ".";
            kept.keySet().removeIf(name -> name.startsWith(block));
        }
        return kept;
    }

    private static void checkBlocks(Path file, Metadata metadata) throws ModelFileException {
        var key = metadata.string(ARCHITECTURE, "") + ".block_count";
        var blocks = metadata.integer(key, 1);
        if (blocks < 1 || blocks > MAX_BLOCKS) {
            throw new ModelFileException(file, "metadata " + key + " is " + blocks + "; expected 1 to " + MAX_BLOCKS);
        }
    }
}
