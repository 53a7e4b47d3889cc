package dev.llmworker.scaling.report;

import com.samskivert.mustache.Mustache;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A report as one HTML file without scripts, fonts or links. `page.html` is its template.
///
/// @param under a line below the title
/// @param notice a warning at the top; empty for none
public record Page(String title, String under, Optional<String> notice, List<Section> sections) {

    /// A part of a report.
    ///
    /// @param heading empty for none
    /// @param content by the name that the template has for it: `cards`, `sentences`, `plots`, `table` or
    `settings`
    public record Section(String heading, Map<String, ?> content) {
        public static Section of(String heading, String kind, Object content) {
            return new Section(heading, Map.of(kind, content));
        }
    }

    /// Whether a card has good or bad news, and the sign that says so without colour.
    public enum Tone {
        GOOD("✓"),
        BAD("✕"),
        OPEN("?"),
        PLAIN("");

        final String sign;

        Tone(String sign) {
            this.sign = sign;
        }
    }

    /// @param word the answer, next to its sign
    /// @param advice what to do about it; empty for nothing
    public record Card(Tone tone, String heading, String word, String because, String advice) {}

    /// @param rows each with its name first
    public record Table(List<String> heads, List<List<String>> rows) {
        List<Row> named() {
            return rows.stream()
                    .map(row -> new Row(row.getFirst(), row.subList(1, row.size())))
                    .toList();
        }
    }

    record Row(String name, List<String> cells) {}

    public void write(Path file) throws IOException {
        try (var template =
                new InputStreamReader(Page.class.getResourceAsStream("page.html"), StandardCharsets.UTF_8)) {
            var html = Mustache.compiler()
                    .emptyStringIsFalse(true)
                    .compile(template)
                    .execute(this);
            Files.writeString(file, html);
        }
    }
}
