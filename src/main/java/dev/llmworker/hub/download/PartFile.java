package dev.llmworker.hub.download;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A download that is not whole yet: its bytes so far, and beside them the ETag that says what they are part of.
public record PartFile(Path destination) {
    private static final int MAX_ETAG_CHARS = 512;

    /// Where it is written: beside its destination, so that taking the name is one step of one file system.
    public Path folder() {
        return Objects.requireNonNull(destination.toAbsolutePath().getParent(), "a file has a folder");
    }

    public Path path() {
        return destination.resolveSibling(destination.getFileName() + ".part");
    }

    public long bytes() throws IOException {
        return Files.exists(path()) ? Files.size(path()) : 0;
    }

    /// The strong ETag of the file that the bytes belong to, null where the server gave none.
    @Nullable
    String etag() throws IOException {
        return Files.exists(etagPath()) ? Files.readString(etagPath()) : null;
    }

    /// Opens the file to write on from its `offset`th byte; at 0 whatever was there is dropped.
    ///
    /// @param etag of the answer that is written, null where it has none that a later request can name
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

    /// The part is the whole: it takes its name, in one step.
    public void complete() throws IOException {
        try (var channel = FileChannel.open(path(), StandardOpenOption.WRITE)) {
            // Else a crash of the machine could leave the name with holes behind it.
            channel.force(true);
        }
        Files.move(path(), destination, StandardCopyOption.ATOMIC_MOVE);
        Files.deleteIfExists(etagPath());
    }

    private Path etagPath() {
        return destination.resolveSibling(destination.getFileName() + ".part.etag");
    }
}
