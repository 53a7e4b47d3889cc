package dev.llmworker.weights;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/// A model as it lies on the disk, mapped read-only: what its files say of it, and its tensors. Both go by GGUF's names
/// (`llama.block_count`, `blk.0.attn_q.weight`), whatever the files call them; messages have the files' own.
///
/// Threading: any thread. Closing unmaps the tensors' data: Java code that still reads it gets an
/// [IllegalStateException], native code that does crashes.
public sealed interface StoredModel extends AutoCloseable permits Gguf, Safetensors {
    /// @param path a GGUF file, a safetensors file with its `config.json` beside it, or a folder of those
    /// @throws ModelFileException when it is no sound model, or one of a kind that is not supported
    /// @throws IOException when it cannot be read
    static StoredModel open(Path path) throws IOException {
        return Safetensors.isOne(path) ? Safetensors.open(path) : Gguf.open(path);
    }

    /// The model's file, or the folder of its files.
    Path file();

    Metadata metadata();

    /// By name, unmodifiable. Tensors that GGUF has no name for are there by a name of no other tensor.
    Map<String, Tensor> tensors();

    /// Bytes of all tensors together.
    default long tensorBytes() {
        return tensors().values().stream()
                .mapToLong(tensor -> tensor.data().byteSize())
                .sum();
    }

    /// @throws ModelFileException when there is none of this name
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
