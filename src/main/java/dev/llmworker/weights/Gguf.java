package dev.llmworker.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/// A GGUF model file of version 2 or 3, mapped read-only. Files are untrusted: opening one checks everything
/// except the values of the weights, which [Tensor#checkFinite()] checks.
public final class Gguf extends StoredModel {
    /// The largest known models have 126 blocks.
    static final int MAX_BLOCKS = 1024;

    private Gguf(Path file, Arena arena, Metadata metadata, Map<String, Tensor> tensors) {
        super(file, arena, metadata, tensors);
    }

    /// Opens a model of any architecture: see [#open(Path, Check)].
    public static Gguf open(Path file) throws IOException {
        return open(file, _ -> {});
    }

    /// @param file a regular file or a link to one
    /// @param check comes before the types of tensors
    /// @throws ModelFileException if it is not a valid GGUF file whose tensors all have supported types
    /// @throws IOException if it cannot be read
    public static Gguf open(Path file, Check check) throws IOException {
        return opened(arena -> {
            var mapping = map(file, arena);
            var header = HeaderReader.read(file, mapping, check);
            checkParts(file, header.metadata());
            checkBlocks(file, header.metadata());
            var tensors = TensorLayout.place(file, mapping, header);
            return new Gguf(file, arena, header.metadata(), withoutDrafts(header.metadata(), tensors));
        });
    }

    /// Leaves out the last blocks if they only predict tokens after the next. They count as blocks.
    private static Map<String, Tensor> withoutDrafts(Metadata metadata, Map<String, Tensor> tensors)
            throws ModelFileException {
        var prefix = metadata.string("general.architecture", "") + ".";
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

    private static void checkParts(Path file, Metadata metadata) throws ModelFileException {
        var parts = metadata.integer("split.count", 1);
        if (parts > 1) {
            throw new ModelFileException(
                    file,
                    "is part " + (metadata.integer("split.no", 0) + 1L) + " of a model in " + parts
                            + " files; supported: 1 (`llama-gguf-split --merge` joins them)");
        }
    }

    private static void checkBlocks(Path file, Metadata metadata) throws ModelFileException {
        var key = metadata.string("general.architecture", "") + ".block_count";
        var blocks = metadata.integer(key, 1);
        if (blocks < 1 || blocks > MAX_BLOCKS) {
            throw new ModelFileException(file, "metadata " + key + " is " + blocks + "; expected 1 to " + MAX_BLOCKS);
        }
    }
}
