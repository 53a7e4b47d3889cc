package dev.llmworker.constraint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;

/// Schemas with values that they allow and values that they do not. The comparison with llguidance has the same
/// ones.
final class SchemaCases {
    private static final Path FILE = Path.of("src/test/resources/constraint/schemas.json");
    static final ObjectMapper MAPPER = new ObjectMapper();

    private SchemaCases() {}

    static List<JsonNode> all() {
        try {
            var cases = MAPPER.readTree(Files.readString(FILE));
            return StreamSupport.stream(cases.spliterator(), false).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> schemas() {
        return all().stream().map(one -> one.get("schema").toString()).toList();
    }
}
