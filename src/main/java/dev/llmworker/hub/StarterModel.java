package dev.llmworker.hub;

import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.ModelUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Properties;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The model that is served if `MODEL` is not set: SmolLM2 135M Instruct in Q4_1, under the Apache License 2.0.
/// The script `fetch-starter-model`, which `./worker` calls, puts it into the cache.
///
/// @param place path below the cache folder; the folder's name is the start of the file's SHA-256
record StarterModel(String place, long bytes, String sha256) {
    private static final String RESOURCE = "starter-model.properties";
    private static final String CURES =
            "Any of these helps: run ./fetch-starter-model, which is beside ./worker; set MODEL";

    /// @throws IOException if the jar lacks the resource
    static StarterModel read() throws IOException {
        var facts = new Properties();
        try (var resource = StarterModel.class.getResourceAsStream(RESOURCE)) {
            facts.load(Objects.requireNonNull(resource, RESOURCE));
        }
        return new StarterModel(
                facts.getProperty("folder") + "/" + facts.getProperty("file"),
                Long.parseLong(facts.getProperty("bytes")),
                facts.getProperty("sha256"));
    }

    /// @param environment reads `CACHE_DIR`, `XDG_CACHE_HOME`, `HOME`
    /// @throws ModelUnavailableException if the model is not in the cache, saying what would help
    Path file(Function<String, @Nullable String> environment) throws IOException {
        var file = CacheFolder.of(environment).resolve(place);
        if (Files.isRegularFile(file) && Files.size(file) == bytes) {
            return file;
        }
        var found = Files.exists(file) ? "is incomplete in the cache" : "is not in the cache";
        throw new ModelUnavailableException(
                "MODEL is not set, and the starter model " + found + " (" + file + "). " + CURES);
    }
}
