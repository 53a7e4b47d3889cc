package dev.llmworker.scaling;

import com.samskivert.mustache.Mustache;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/// What a run found, for a browser, a terminal and a script. `page.html` is the template of the page, which has no
/// scripts, fonts or links.
///
/// @param stopped why the run ended early; empty if it did not
/// @param figures the content of the JSON file
/// @param passed whether the program ends with 0
record Report(
        String title,
        Map<String, Object> settings,
        String stopped,
        List<String> sentences,
        List<Card> cards,
        List<Chart> charts,
        List<Table> tables,
        Object figures,
        boolean passed) {
    /// Whether a card has good or bad news, and the sign that says so without colour.
    enum Tone {
        GOOD("✓"),
        BAD("✕"),
        OPEN("?");

        final String sign;

        Tone(String sign) {
            this.sign = sign;
        }
    }

    /// The result of a test, or the answer to a question.
    ///
    /// @param because the reason, with its figures, as a sentence
    /// @param advice what to do about it; empty for nothing
    record Card(Tone tone, String heading, String answer, String because, String advice) {}

    record Table(List<String> heads, List<List<String>> rows) {}

    void write(Path json, Path html) throws IOException {
        Files.writeString(json, Json.INDENTED.writeValueAsString(figures) + "\n");
        try (var template =
                new InputStreamReader(Report.class.getResourceAsStream("page.html"), StandardCharsets.UTF_8)) {
            var page = Mustache.compiler().emptyStringIsFalse(true).compile(template);
            Files.writeString(html, page.execute(this));
        }
    }

    Set<Map.Entry<String, Object>> options() {
        return settings.entrySet();
    }

    String text() {
        var text = new StringBuilder("\n");
        for (var table : tables) {
            Stream.concat(Stream.of(table.heads), table.rows.stream()).forEach(row -> {
                row.forEach(cell -> text.append("%-9s  ".formatted(cell)));
                text.append('\n');
            });
        }
        for (var card : cards) {
            text.append("%-12s %s%n%13s%s%n"
                    .formatted(card.answer.toUpperCase(Locale.ROOT), card.heading, "", card.because));
            text.append(card.advice.isEmpty() ? "" : "%13s→ %s%n".formatted("", card.advice));
        }
        sentences.forEach(sentence -> text.append(sentence).append('\n'));
        return text + (stopped.isEmpty() ? "" : "Stopped: " + stopped + "\n");
    }
}
