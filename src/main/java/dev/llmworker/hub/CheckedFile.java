package dev.llmworker.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/// A note beside a file that says that its SHA-256 was right. It holds the file's size and time, so it does not count
/// for a file that was changed since.
///
/// @param file what was checked
/// @param content of the note; another content stands for another file
record CheckedFile(Path file, String content) {
    private static final String SUFFIX = ".checked";
    /// A file that is as new as this may change without another time: clocks of files are coarse.
    private static final Duration TOO_NEW = Duration.ofSeconds(2);

    /// The file as it is now.
    static CheckedFile of(Path file, String sha256) throws IOException {
        return new CheckedFile(
                file,
                sha256 + " " + Files.size(file) + " "
                        + Files.getLastModifiedTime(file).toInstant() + "\n");
    }

    /// Whether the note is there and says the same.
    boolean isNoted() {
        try {
            return Files.readString(place()).equals(content);
        } catch (IOException _) {
            return false;
        }
    }

    /// Writes the note, unless the file is new.
    ///
    /// @throws IOException if this user cannot write there
    void write() throws IOException {
        if (Files.getLastModifiedTime(file).toInstant().isAfter(Instant.now().minus(TOO_NEW))) {
            return;
        }
        // Otherwise a power failure could keep the note and lose the file.
        try (var written = FileChannel.open(file)) {
            written.force(true);
        }
        Files.writeString(place(), content);
    }

    /// Deletes the file, and its note first.
    void delete() throws IOException {
        Files.deleteIfExists(place());
        Files.deleteIfExists(file);
    }

    private Path place() {
        return file.resolveSibling(file.getFileName() + SUFFIX);
    }
}
