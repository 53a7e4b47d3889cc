package dev.llmworker.hub;

import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// A model on this machine.
///
/// @param name the name for clients: the hub's id, or the file's name without its suffix
/// @param file the GGUF file; for safetensors the folder, or the weights file that `MODEL` names
/// @param sha256 what the file must be; null if nobody knows
public record LocatedModel(String name, Path file, @Nullable String sha256) {
    LocatedModel(String name, Path file) {
        this(name, file, null);
    }

    /// Reads the whole file if it is known what it must be: a disk may have changed it since it was fetched. A file
    /// that
    /// is damaged is deleted, because it is in the worker's own cache, and can be fetched again.
    ///
    /// Takes 0.1 s for the starter model, so it belongs beside the loading.
    ///
    /// @throws ModelUnavailableException if the file is damaged
    public void check() throws IOException {
        if (sha256 == null) {
            return;
        }
        var actual = Sha256.of(file, Progress.silent());
        if (!actual.equals(sha256)) {
            Files.deleteIfExists(file);
            throw new ModelUnavailableException(file + " is damaged: its SHA-256 is " + actual + ", not " + sha256
                    + ". It is deleted; ./worker and ./fetch-starter-model fetch it again");
        }
    }
}
