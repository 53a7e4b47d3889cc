package report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// A report as one HTML file that needs nothing else: no script, no font, no address.
public final class Page {
    private final StringBuilder body = new StringBuilder();
    private final String title;

    public Page(String title, String under) {
        this.title = title;
        body.append("<header><h1>")
                .append(Html.escaped(title))
                .append("</h1>")
                .append(Html.element("p", "under", under))
                .append("</header>\n");
    }

    public Page section(String heading) {
        body.append("<h2>").append(Html.escaped(heading)).append("</h2>\n");
        return this;
    }

    public Page html(String html) {
        body.append(html).append('\n');
        return this;
    }

    public Page notice(String text) {
        return html("<p class=\"notice\">" + Html.escaped(text) + "</p>");
    }

    /// How good or bad a card's news is, and the sign that says so without colour.
    public enum Tone {
        GOOD("✓"),
        BAD("✕"),
        OPEN("?"),
        PLAIN("");

        private final String sign;

        Tone(String sign) {
            this.sign = sign;
        }
    }

    /// @param word the answer, beside its sign
    /// @param advice what to do about it; empty for nothing
    public record Card(Tone tone, String heading, String word, String because, String advice) {}

    public Page cards(List<Card> cards) {
        body.append("<div class=\"cards\">\n");
        for (var card : cards) {
            body.append(
                    "<section class=\"card %s\"><h3>%s</h3><p class=\"word\"><span aria-hidden=\"true\">%s</span> %s</p>"
                            .formatted(
                                    card.tone().name().toLowerCase(java.util.Locale.ROOT),
                                    Html.escaped(card.heading()),
                                    card.tone().sign,
                                    Html.escaped(card.word())));
            body.append(Html.element("p", "", card.because()));
            if (!card.advice().isEmpty()) {
                body.append(Html.element("p", "do", card.advice()));
            }
            body.append("</section>\n");
        }
        body.append("</div>\n");
        return this;
    }

    public Page plots(String... figures) {
        body.append("<div class=\"plots\">\n");
        for (var figure : figures) {
            body.append(figure);
        }
        body.append("</div>\n");
        return this;
    }

    public Page list(List<String> sentences) {
        body.append("<ul>");
        sentences.forEach(sentence -> body.append(Html.element("li", "", sentence)));
        body.append("</ul>\n");
        return this;
    }

    public Page settings(Map<String, ?> settings) {
        return table(
                List.of(),
                settings.entrySet().stream()
                        .map(entry -> List.of(entry.getKey(), String.valueOf(entry.getValue())))
                        .toList());
    }

    /// @param heads of the columns; empty for none
    public Page table(List<String> heads, List<List<String>> rows) {
        body.append("<div class=\"scroll\" tabindex=\"0\"><table")
                .append(heads.isEmpty() ? " class=\"plain-table\">" : ">");
        if (!heads.isEmpty()) {
            body.append("<thead><tr>");
            heads.forEach(head -> body.append(Html.element("th", "", head)));
            body.append("</tr></thead>");
        }
        body.append("<tbody>");
        for (var row : rows) {
            body.append("<tr><th scope=\"row\">")
                    .append(Html.escaped(row.getFirst()))
                    .append("</th>");
            row.subList(1, row.size()).forEach(cell -> body.append(Html.element("td", "", cell)));
            body.append("</tr>");
        }
        body.append("</tbody></table></div>\n");
        return this;
    }

    public void write(Path file) throws IOException {
        Files.writeString(file, """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <meta name="color-scheme" content="light dark">
                <title>%s</title>
                <style>
                %s</style>
                </head>
                <body>
                <main>
                %s</main>
                </body>
                </html>
                """.formatted(Html.escaped(title), Stylesheet.TEXT, body));
    }
}
