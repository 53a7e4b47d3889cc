package dev.llmworker.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/// A model file, mapped read-only.
final class MappedFile {
    private MappedFile() {}

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
}
