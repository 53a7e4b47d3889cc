package dev.llmworker.hub.download;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// An incomplete download: its bytes so far, and a file beside them with the ETag of the whole.
public record PartFile(Path destination) {
    private static final int MAX_ETAG_CHARS = 512;

    /// The folder of the part: the destination's, so that the file gets its name in one atomic step.
    public Path folder() {
        return Objects.requireNonNull(destination.toAbsolutePath().getParent(), "a file has a folder");
    }

    public Path path() {
        return destination.resolveSibling(destination.getFileName() + ".part");
    }

    public long bytes() throws IOException {
        return Files.exists(path()) ? Files.size(path()) : 0;
    }

    /// The strong ETag of the file that the bytes belong to; null if the server gave none.
    @Nullable
    String etag() throws IOException {
        return Files.exists(etagPath()) ? Files.readString(etagPath()) : null;
    }

    /// Opens the file for writing from byte `offset` on. With 0, existing bytes are dropped.
    ///
    /// @param etag the response's ETag; null if it has none that a later request can use
    public FileChannel open(long offset, @Nullable String etag) throws IOException {
        if (offset == 0) {
            discard();
        }
        var isStrong = etag != null && etag.startsWith("\"") && etag.length() <= MAX_ETAG_CHARS;
        if (isStrong) {
            Files.writeString(etagPath(), etag);
        } else {
            Files.deleteIfExists(etagPath());
        }
        var channel = FileChannel.open(path(), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        channel.truncate(offset).position(offset);
        return channel;
    }

    public void discard() throws IOException {
        Files.deleteIfExists(path());
        Files.deleteIfExists(etagPath());
    }

    /// The download is complete: gives the file its name in one atomic step.
    public void complete() throws IOException {
        try (var channel = FileChannel.open(path(), StandardOpenOption.WRITE)) {
            // Without this, a crash of the machine could leave a named file with holes.
            channel.force(true);
        }
        Files.move(path(), destination, StandardCopyOption.ATOMIC_MOVE);
        Files.deleteIfExists(etagPath());
    }

    private Path etagPath() {
        return destination.resolveSibling(destination.getFileName() + ".part.etag");
    }
}
