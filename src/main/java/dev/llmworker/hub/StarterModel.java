package dev.llmworker.hub;

import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.ModelUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The model that is served if `MODEL` is not set: SmolLM2 135M Instruct in Q4_1, under the Apache License 2.0.
/// The script `fetch-starter-model`, which `./worker` calls, puts it into the cache.
final class StarterModel {
    /// Path below the cache folder. The folder's name is the start of the file's SHA-256.
    static final String PLACE = "starter/b179c9523d0e/SmolLM2-135M-Instruct.Q4_1.gguf";

    private static final long FILE_BYTES = 98_362_432;

    private StarterModel() {}

    /// @param environment reads `CACHE_DIR`, `XDG_CACHE_HOME`, `HOME`
    /// @throws ModelUnavailableException if the model is not in the cache, saying what would help
    static Path file(Function<String, @Nullable String> environment) throws IOException {
        var file = CacheFolder.of(environment).resolve(PLACE);
        if (Files.isRegularFile(file) && Files.size(file) == FILE_BYTES) {
            return file;
        }
        var found = Files.exists(file) ? "is incomplete in the cache" : "is not in the cache";
        throw new ModelUnavailableException("MODEL is not set, and the starter model " + found + " (" + file
                + "). Any of these helps: run ./fetch-starter-model, which is beside ./worker; set MODEL");
    }
}
