package dev.llmworker.weights;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;

/// A model on disk, mapped read-only: its metadata and its tensors. Both have GGUF's names (`llama.block_count`,
/// `blk.0.attn_q.weight`), whatever the files call them; messages use the files' own names.
///
/// Threading: any thread. Closing unmaps the tensors' data. Java code that still reads it gets an
/// [IllegalStateException]; native code crashes.
public abstract sealed class StoredModel implements AutoCloseable permits Gguf, Safetensors {
    private final Path file;
    private final Arena arena;
    private final Metadata metadata;
    private final Map<String, Tensor> tensors;

    StoredModel(Path file, Arena arena, Metadata metadata, Map<String, Tensor> tensors) {
        this.file = file;
        this.arena = arena;
        this.metadata = metadata;
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /// Says whether a model is supported, by its architecture.
    public interface Check {
        /// @param metadata has at least the architecture
        /// @throws ModelFileException if the model is not supported
        void require(Metadata metadata) throws ModelFileException;
    }

    /// Opens a model of any architecture: see [#open(Path, Check)].
    public static StoredModel open(Path path) throws IOException {
        return open(path, _ -> {});
    }

    /// @param path a GGUF file, a safetensors file with its `config.json` beside it, or a folder of those
    /// @param check comes before everything that other architectures may have otherwise
    /// @throws ModelFileException if it is not a valid model of a supported kind
    /// @throws IOException if it cannot be read
    public static StoredModel open(Path path, Check check) throws IOException {
        return Safetensors.isOne(path) ? Safetensors.open(path, check) : Gguf.open(path, check);
    }

    /// Reads a model's files into an arena.
    interface Reading<M extends StoredModel> {
        M into(Arena arena) throws IOException;
    }

    /// Closes the arena if the files are rejected. Otherwise `close` of the model does so.
    @SuppressWarnings("MustBeClosedChecker")
    static <M extends StoredModel> M opened(Reading<M> reading) throws IOException {
        var arena = Arena.ofShared();
        var opened = false;
        try {
            var model = reading.into(arena);
            opened = true;
            return model;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    static MemorySegment map(Path file, Arena arena) throws IOException {
        requireRegular(file);
        try (var channel = FileChannel.open(file)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /// Accepts a regular file or a link to one, as in caches.
    static void requireRegular(Path file) throws ModelFileException {
        if (Files.notExists(file)) {
            throw new ModelFileException(file, "does not exist");
        }
        // Opening a FIFO would wait for its writer, and a device has no end.
        if (!Files.isRegularFile(file)) {
            throw new ModelFileException(file, "is not a regular file");
        }
    }

    /// The model's file, or the folder of its files.
    public Path file() {
        return file;
    }

    public Metadata metadata() {
        return metadata;
    }

    /// How the matrices are quantised: `gptq, 4 bits in groups of 128`. Empty if each tensor's type says it.
    public String quantisation() {
        return "";
    }

    /// Whether the tensors are as transformers has them.
    public boolean fromHub() {
        return this instanceof Safetensors;
    }

    /// The tensors by name, in file order, unmodifiable. A tensor without a name in GGUF has a name that no
    /// other tensor can have.
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /// The size of all tensors together, in bytes.
    public long tensorBytes() {
        return tensors.values().stream().mapToLong(Tensor::storedBytes).sum();
    }

    /// @throws ModelFileException if there is no tensor of this name
    public Tensor tensor(String name) throws ModelFileException {
        var tensor = tensors.get(name);
        if (tensor == null) {
            var shown = fromHub() ? HubTensorNames.fromGguf(name) : name;
            throw new ModelFileException(file, "tensor " + shown + " is missing among " + tensors.size() + " tensors");
        }
        return tensor;
    }

    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
