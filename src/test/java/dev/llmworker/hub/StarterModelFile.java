package dev.llmworker.hub;

import java.io.IOException;
import java.nio.file.Path;

/// The starter model for tests: fetched by the launcher's script, into the cache of this user.
public final class StarterModelFile {
    private static final String SCRIPT = "./fetch-starter-model";

    private StarterModelFile() {}

    /// The script finds a file that was fetched before.
    public static synchronized Path path() throws IOException, InterruptedException {
        var process = new ProcessBuilder(SCRIPT)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        var printed = new String(process.getInputStream().readAllBytes()).strip();
        if (process.waitFor() != 0) {
            throw new IOException(SCRIPT + " failed; its messages are above");
        }
        return Path.of(printed);
    }
}
