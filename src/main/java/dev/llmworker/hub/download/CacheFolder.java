package dev.llmworker.hub.download;

import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The folder for this worker's downloads: `CACHE_DIR`, or else the user's cache folder.
public final class CacheFolder {
    /// Kept free for others: logs, temporary files, the tensor library's unpacked natives.
    private static final long RESERVE_BYTES = 64_000_000;

    private CacheFolder() {}

    public static Path of(Function<String, @Nullable String> environment) {
        var chosen = nonBlank(environment.apply("CACHE_DIR"));
        if (chosen != null) {
            return Path.of(chosen).toAbsolutePath();
        }
        var users = nonBlank(environment.apply("XDG_CACHE_HOME"));
        // The XDG specification says that relative paths are ignored.
        var base = users != null && Path.of(users).isAbsolute()
                ? Path.of(users)
                : home(environment).resolve(".cache");
        return base.resolve("camel-llm-worker").toAbsolutePath();
    }

    public static Path home(Function<String, @Nullable String> environment) {
        var home = nonBlank(environment.apply("HOME"));
        return Path.of(home != null ? home : System.getProperty("user.home"));
    }

    /// Returns the folder, and creates it if it is missing.
    public static Path created(Path folder) throws ModelUnavailableException {
        try {
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw new ModelUnavailableException(
                    folder + " cannot be created (" + e + "); set CACHE_DIR to a folder that can be written", e);
        }
    }

    /// Checks the free disk space before a long write, so that the write does not fail halfway.
    public static void requireSpace(Path folder, long bytes, String what) throws IOException {
        var free = Files.getFileStore(folder).getUsableSpace();
        if (bytes > free - RESERVE_BYTES) {
            throw new ModelUnavailableException(what + " needs " + Progress.amount(bytes) + " in " + folder
                    + "; " + Progress.amount(free) + ", of which " + Progress.amount(RESERVE_BYTES)
                    + " are reserved. Free some space, or set CACHE_DIR to a folder on a larger disk");
        }
    }

    public static @Nullable String nonBlank(@Nullable String value) {
        return value == null || value.isBlank() ? null : value.strip();
    }
}
