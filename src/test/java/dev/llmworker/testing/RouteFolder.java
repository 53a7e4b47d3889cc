package dev.llmworker.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/// A folder of routes as an operator has one: a copy of the worker's own, with some of the examples.
public record RouteFolder(Path path) {
    public static RouteFolder in(Path folder, String... examples) throws IOException {
        try (var files = Files.newDirectoryStream(Path.of("routes"), "*.{yaml,properties}")) {
            for (var file : files) {
                Files.copy(file, folder.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        for (var example : examples) {
            var name = example + ".camel.yaml";
            Files.copy(Path.of("routes", "examples", name), folder.resolve(name));
        }
        return new RouteFolder(folder);
    }

    /// Writes a route of `steps` from `uri`, which is its id too; each step is one line of YAML, in flow style.
    public RouteFolder route(String id, String uri, String... steps) throws IOException {
        var yaml = new StringBuilder("- route:\n    id: " + id + "\n    from:\n      uri: " + uri + "\n      steps:\n");
        for (var step : steps) {
            yaml.append("        - ").append(step).append('\n');
        }
        return write(id, yaml.toString());
    }

    public RouteFolder write(String id, String yaml) throws IOException {
        Files.writeString(path.resolve(id + ".camel.yaml"), yaml);
        return this;
    }
}
