package dev.llmworker.weights;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/// A model on disk, mapped read-only: its metadata and its tensors. Both have GGUF's names (`llama.block_count`,
/// `blk.0.attn_q.weight`), whatever the files call them; messages use the files' own names.
///
/// Threading: any thread. Closing unmaps the tensors' data. Java code that still reads it gets an
/// [IllegalStateException]; native code crashes.
public sealed interface StoredModel extends AutoCloseable permits Gguf, Safetensors {
    /// @param path a GGUF file, a safetensors file with its `config.json` beside it, or a folder of those
    /// @throws ModelFileException if it is not a valid model of a supported kind
    /// @throws IOException if it cannot be read
    static StoredModel open(Path path) throws IOException {
        return Safetensors.isOne(path) ? Safetensors.open(path) : Gguf.open(path);
    }

    /// The model's file, or the folder of its files.
    Path file();

    Metadata metadata();

    /// Whether the tensors are as transformers has them.
    boolean fromHub();

    /// The tensors by name, unmodifiable. A tensor without a name in GGUF has a name that no other tensor can
    /// have.
    Map<String, Tensor> tensors();

    /// The size of all tensors together, in bytes.
    default long tensorBytes() {
        return tensors().values().stream()
                .mapToLong(tensor -> tensor.data().byteSize())
                .sum();
    }

    /// @throws ModelFileException if there is no tensor of this name
    default Tensor tensor(String name) throws ModelFileException {
        var tensor = tensors().get(name);
        if (tensor == null) {
            throw new ModelFileException(
                    file(), "tensor " + name + " is missing among " + tensors().size() + " tensors");
        }
        return tensor;
    }

    @Override
    void close();
}
