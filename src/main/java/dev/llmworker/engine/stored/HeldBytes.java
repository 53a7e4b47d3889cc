package dev.llmworker.engine.stored;

import dev.llmworker.model.device.HostMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/// A part of a copied prefix: a range of positions, or a state.
///
/// Threading: one thread at a time.
public sealed interface HeldBytes extends AutoCloseable {
    long bytes();

    /// Passes the bytes to `action`, which must not keep them.
    ///
    /// @throws PrefixFileException if they are damaged
    /// @throws IOException if they cannot be read
    void use(Consumer<MemorySegment> action) throws IOException;

    /// Frees its memory.
    @Override
    void close();

    record InMemory(HostMemory memory) implements HeldBytes {
        @Override
        public long bytes() {
            return memory.bytes();
        }

        @Override
        public void use(Consumer<MemorySegment> action) {
            action.accept(memory.segment());
        }

        @Override
        public void close() {
            memory.close();
        }
    }

    /// They are read, and their checksum is computed, each time that they are used.
    record InFile(StoredPrefix file, PrefixHeader.Block block) implements HeldBytes {
        @Override
        public long bytes() {
            return block.bytes();
        }

        @Override
        public void use(Consumer<MemorySegment> action) throws IOException {
            try (var memory = HostMemory.allocate(block.bytes())) {
                if (memory == null) {
                    throw new IOException("there is no memory for " + block.bytes() + " bytes of it");
                }
                file.read(block, memory.segment());
                action.accept(memory.segment());
            }
        }

        @Override
        public void close() {}
    }
}
