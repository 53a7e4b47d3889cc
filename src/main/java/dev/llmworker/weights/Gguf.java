package dev.llmworker.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Map;

/// A GGUF model file of version 2 or 3, mapped read-only. Files are untrusted: opening one checks everything
/// except the values of the weights, which [Tensor#checkFinite()] checks.
public final class Gguf extends StoredModel {
    /// The largest known models have 126 blocks.
    static final int MAX_BLOCKS = 1024;

    private Gguf(Path file, Arena arena, Metadata metadata, Map<String, Tensor> tensors) {
        super(file, arena, metadata, tensors);
    }

    /// @param file a regular file or a link to one
    /// @throws ModelFileException if it is not a valid GGUF file whose tensors all have supported types
    /// @throws IOException if it cannot be read
    public static Gguf open(Path file) throws IOException {
        return opened(arena -> {
            var mapping = map(file, arena);
            var header = HeaderReader.read(file, mapping);
            checkParts(file, header.metadata());
            checkBlocks(file, header.metadata());
            return new Gguf(file, arena, header.metadata(), TensorLayout.place(file, mapping, header));
        });
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
