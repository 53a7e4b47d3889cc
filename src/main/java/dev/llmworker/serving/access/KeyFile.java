package dev.llmworker.serving.access;

import dev.llmworker.files.TextFile;
import dev.llmworker.serving.wire.UsesRegex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A file with an API key on each line. What cannot be read has no keys.
///
/// Threading: one thread at a time.
@UsesRegex("the file of keys")
final class KeyFile {
    private static final Logger LOG = LoggerFactory.getLogger(ApiKeys.class);
    private static final int MAX_BYTES = 1 << 20;
    private static final byte[] UNREADABLE = {};

    private final Path path;
    private byte @Nullable [] current;
    private byte @Nullable [] seen;
    private String problem = "";

    KeyFile(Path path) {
        this.path = path;
    }

    /// Whether the file is another one than it was at the last [#read()], and has been the same twice in a row: a
    /// reader that meets a writer in the middle sees half of it.
    boolean hasChanged() {
        var before = seen;
        var now = bytes();
        seen = now;
        return before != null && Arrays.equals(before, now) && !Arrays.equals(current, now);
    }

    /// Its keys. That there are none is said in the log.
    Set<String> read() {
        var bytes = seen == null ? bytes() : seen;
        current = bytes;
        var keys = new LinkedHashSet<String>();
        var number = 0;
        for (var line : TextFile.text(bytes).split("\\R")) {
            number++;
            var text = line.strip();
            if (text.isEmpty() || text.startsWith("#")) {
                continue;
            }
            var wrong = ApiKeys.problem(text);
            if (wrong == null) {
                ApiKeys.warnOfShort(text, "API_KEYS_FILE");
                keys.add(text);
            } else {
                LOG.warn("API_KEYS_FILE: line {} is no key: it {}", number, wrong);
            }
        }
        if (keys.isEmpty()) {
            LOG.error("API_KEYS_FILE {}; no key of it is accepted", problem.isEmpty() ? "has no key in it" : problem);
        }
        return keys;
    }

    private byte[] bytes() {
        try {
            if (!Files.isRegularFile(path)) {
                problem = Files.exists(path) ? "is no regular file" : "does not exist";
                return UNREADABLE;
            }
            try (var in = Files.newInputStream(path)) {
                var bytes = in.readNBytes(MAX_BYTES + 1);
                problem = bytes.length > MAX_BYTES ? "is larger than " + MAX_BYTES + " bytes" : "";
                return problem.isEmpty() ? bytes : UNREADABLE;
            }
        } catch (IOException | SecurityException _) {
            problem = "cannot be read";
            return UNREADABLE;
        }
    }
}
