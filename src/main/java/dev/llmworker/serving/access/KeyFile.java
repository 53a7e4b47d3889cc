package dev.llmworker.serving.access;

import dev.llmworker.files.TextFile;
import dev.llmworker.serving.wire.UsesRegex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A file with an API key on each line, which its limits may follow. The key of a line with a mistake is rejected,
/// wherever else it is: nobody gets in with fewer limits than were meant.
///
/// - A file that is missing, too large or no regular file has no keys: whoever removes it revokes them.
/// - If reading fails, such as when the process has no descriptors left, the last keys stay. Otherwise whoever opens
///   many connections would revoke all keys.
///
/// Threading: one thread at a time.
@UsesRegex("the file of keys")
final class KeyFile {
    private static final Logger LOG = LoggerFactory.getLogger(ApiKeys.class);
    private static final int MAX_BYTES = 1 << 20;
    private static final byte[] NOTHING = {};

    private final Path path;
    private final Source source;
    private final Settled content = new Settled(NOTHING);
    private String problem = "";
    private boolean failing;

    /// Reads a regular file, up to a number of bytes.
    @FunctionalInterface
    interface Source {
        byte[] read(Path file, int bytes) throws IOException;
    }

    KeyFile(Path path) {
        this(path, KeyFile::read);
    }

    KeyFile(Path path, Source source) {
        this.path = path;
        this.source = source;
    }

    /// What it says.
    ///
    /// @param keys with their limits
    /// @param rejected keys of lines with mistakes; none of them is in `keys`
    record Content(Map<String, KeyLimits> keys, Set<String> rejected) {
        static final Content NOTHING = new Content(Map.of(), Set.of());
    }

    /// Its keys at the start.
    Content first() {
        var bytes = bytes();
        if (bytes == null) {
            return Content.NOTHING;
        }
        // No second read is there yet to compare it with.
        content.isNew(bytes);
        content.isNew(bytes);
        return keys(bytes);
    }

    /// Its keys if they have changed since the last call; else null.
    @Nullable
    Content changed() {
        var bytes = bytes();
        return bytes != null && content.isNew(bytes) ? keys(bytes) : null;
    }

    /// That there are none is said in the log.
    private Content keys(byte[] bytes) {
        var keys = new LinkedHashMap<String, KeyLimits>();
        var rejected = new LinkedHashSet<String>();
        var number = 0;
        for (var line : TextFile.text(bytes).split("\\R")) {
            number++;
            var text = line.strip();
            if (text.isEmpty() || text.startsWith("#")) {
                continue;
            }
            try {
                var read = KeyLimits.Line.of(text);
                var other = keys.putIfAbsent(read.key(), read.limits());
                if (other == null) {
                    ApiKeys.warnOfShort(read.key(), "API_KEYS_FILE");
                } else if (!other.equals(read.limits())) {
                    LOG.error(
                            "API_KEYS_FILE: line {} is not accepted: its key is on an earlier line, with other limits",
                            number);
                }
            } catch (IllegalArgumentException e) {
                LOG.error("API_KEYS_FILE: line {} {}", number, e.getMessage());
                rejected.add(KeyLimits.Line.keyOf(text));
            }
        }
        keys.keySet().removeAll(rejected);
        if (keys.isEmpty()) {
            LOG.error("API_KEYS_FILE {}; no key of it is accepted", problem.isEmpty() ? "has no key in it" : problem);
        }
        return new Content(keys, rejected);
    }

    /// Null if they cannot be read.
    private byte @Nullable [] bytes() {
        try {
            var bytes = content();
            failing = false;
            return bytes;
        } catch (IOException e) {
            if (!failing) {
                LOG.error("API_KEYS_FILE cannot be read; the keys that it had stay accepted: {}", e.toString());
            }
            failing = true;
            return null;
        }
    }

    private byte[] content() throws IOException {
        try {
            if (!Files.readAttributes(path, BasicFileAttributes.class).isRegularFile()) {
                problem = "is no regular file";
                return NOTHING;
            }
            var bytes = source.read(path, MAX_BYTES + 1);
            problem = bytes.length > MAX_BYTES ? "is larger than " + MAX_BYTES + " bytes" : "";
            return problem.isEmpty() ? bytes : NOTHING;
        } catch (NoSuchFileException _) {
            problem = "does not exist";
            return NOTHING;
        }
    }

    private static byte[] read(Path file, int bytes) throws IOException {
        try (var in = Files.newInputStream(file)) {
            return in.readNBytes(bytes);
        }
    }
}
