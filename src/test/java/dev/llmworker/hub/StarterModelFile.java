package dev.llmworker.hub;

import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.file.Path;

/// The starter model for tests: fetched as the worker fetches it, and kept in the same cache.
public final class StarterModelFile {
    private StarterModelFile() {}

    public static Path path() throws IOException, InterruptedException {
        return StarterModel.fetch(System::getenv, Progress.silent());
    }
}
