package dev.llmworker.hub;

import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
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

    /// Reads the whole file if it is known what it must be, and it was not checked since it was last changed. A file
    /// that is damaged is deleted, because it is in the worker's own cache, and can be fetched again.
    ///
    /// The first check takes a quarter of a second of processor time for the starter model: Java's SHA-256 is not
    /// compiled yet. So it belongs beside the loading.
    ///
    /// @throws ModelUnavailableException if the file is damaged
    public void check() throws IOException {
        if (sha256 == null) {
            return;
        }
        var checked = CheckedFile.of(file, sha256);
        if (checked.isNoted()) {
            return;
        }
        var actual = Sha256.of(file, Progress.silent());
        if (!actual.equals(sha256)) {
            checked.delete();
            throw new ModelUnavailableException(file + " is damaged: its SHA-256 is " + actual + ", not " + sha256
                    + ". It is deleted; ./worker and ./fetch-starter-model fetch it again");
        }
        try {
            checked.write();
        } catch (IOException _) {
            // The cache cannot be written: the next start checks again.
        }
    }
}
