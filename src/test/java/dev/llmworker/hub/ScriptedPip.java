package dev.llmworker.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A program in pip's place that does what a test tells it.
final class ScriptedPip {
    /// Shell lines: `pip download` brings `source.whl` of the test's folder.
    static final String DOWNLOADS = """
            while [ "$1" != --dest ]; do shift; done
            cp %1$s/source.whl "$2/package-1.0-py3-none-any.whl"
            """;

    private ScriptedPip() {}

    /// Answers `--version`, and does `script` otherwise; `%1$s` in it is the folder.
    static Pip in(Path folder, String script) throws IOException {
        var program = folder.resolve("pip");
        Files.writeString(program, "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n" + script.formatted(folder) + "\n");
        if (!program.toFile().setExecutable(true)) {
            throw new IOException(program + " cannot be made executable");
        }
        return new Pip(List.of(program.toString()));
    }

    /// A shell line: `pip install --report -` prints `report`, and the arguments go to the file `asked`.
    static String reports(String report) {
        return "if [ \"$1\" = install ]; then echo \"$@\" > %1$s/asked; echo '" + report + "'; exit 0; fi\n";
    }

    /// The report that names the address.
    static String reportOf(Object address) {
        return "{\"version\": \"1\", \"install\": [{\"download_info\": {\"url\": \"" + address + "\"}}]}";
    }
}
