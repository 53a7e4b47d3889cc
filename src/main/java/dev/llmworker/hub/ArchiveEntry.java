package dev.llmworker.hub;

import dev.llmworker.hub.download.DiskSpace;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.PartFile;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/// A file inside a zip archive, known beforehand by its length and hash.
record ArchiveEntry(String name, long bytes, String sha256) {
    private static final int CHUNK_BYTES = 1 << 20;

    /// Unpacks the entry; nothing has the destination's name before length and hash are found right.
    void extract(Path archive, Path destination, Progress progress) throws IOException {
        var part = new PartFile(destination);
        try {
            unpack(archive, part, progress);
        } catch (ZipException e) {
            throw new ModelUnavailableException(archive + ": " + e.getMessage(), e);
        } finally {
            // After success there is none.
            Files.deleteIfExists(part.path());
        }
    }

    private void unpack(Path archive, PartFile part, Progress progress) throws IOException {
        try (var zip = new ZipFile(archive.toFile())) {
            var entry = zip.getEntry(name);
            if (entry == null) {
                throw new ModelUnavailableException(archive + " has no entry " + name);
            }
            DiskSpace.require(part.folder(), bytes, name);
            var digest = Sha256.digest();
            var chunk = new byte[CHUNK_BYTES];
            var done = 0L;
            progress.stage("unpacking " + part.destination().getFileName(), bytes);
            try (var in = zip.getInputStream(entry);
                    var out = part.open(0, null)) {
                for (var read = in.read(chunk); read >= 0; read = in.read(chunk)) {
                    done += read;
                    if (done > bytes) {
                        break;
                    }
                    digest.update(chunk, 0, read);
                    out.write(ByteBuffer.wrap(chunk, 0, read));
                    progress.advanced(read);
                }
            } finally {
                progress.done();
            }
            requireRight(archive, done, Sha256.hex(digest));
            part.complete();
        }
    }

    private void requireRight(Path archive, long actualBytes, String actualSha256) throws ModelUnavailableException {
        if (actualBytes != bytes) {
            var found = actualBytes > bytes ? "more than " + bytes : String.valueOf(actualBytes);
            throw new ModelUnavailableException(
                    name + " in " + archive + " has " + found + " bytes, expected " + bytes);
        }
        if (!actualSha256.equals(sha256)) {
            throw new ModelUnavailableException(
                    name + " in " + archive + " has sha256 " + actualSha256 + ", expected " + sha256);
        }
    }
}
