package load;

import client.Figures;
import client.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import report.Charts;
import report.Page;
import report.Series;

/// Writes a load test as JSON, as a page, and as a table for a terminal.
public final class LoadReport {
    private static final List<String> HEADS = List.of(
            "",
            "streams",
            "tokens/s",
            "first token p50",
            "p95",
            "p99",
            "between p50",
            "p95",
            "p99",
            "answer p50",
            "answers",
            "errors");

    private static final String HIGH = ", p99";

    private final LoadRun run;

    public LoadReport(LoadRun run) {
        this.run = run;
    }

    public void write() throws IOException {
        var figures = new LinkedHashMap<String, Object>();
        figures.put("program", "LoadTest");
        figures.put("written", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        figures.put("settings", settings());
        figures.put("stopped", run.stopped().orElse(null));
        figures.put("cases", run.cases().stream().map(LoadCase::figures).toList());
        Files.writeString(run.options().json(), Json.write(figures) + "\n");
        page().write(run.options().html());
    }

    public String text() {
        var text = new StringBuilder("\n");
        var widths = List.of(10, 8, 9, 16, 8, 8, 12, 8, 8, 11, 8, 7);
        for (var row : rows()) {
            for (var i = 0; i < row.size(); i++) {
                text.append(("%" + (i == 0 ? "-" : "") + widths.get(i) + "s").formatted(row.get(i)));
            }
            text.append('\n');
        }
        errors().forEach(error -> text.append(error).append('\n'));
        run.stopped().ifPresent(why -> text.append("Stopped: ").append(why).append('\n'));
        return text.toString();
    }

    private Map<String, Object> settings() {
        var options = run.options();
        var settings = new LinkedHashMap<String, Object>();
        settings.put("url", options.target().shown());
        settings.put("api", options.openAi() ? "openai, model " + run.model() : "worker");
        settings.put("requests_of_each_stream", options.requests());
        settings.put("max_tokens", options.maxTokens());
        settings.put("temperature", options.temperature());
        settings.put("ignore_eos", options.ignoreEos());
        settings.put("prompt", options.prompt());
        settings.put("timeout_seconds", options.target().timeout().toMillis() / 1000.0);
        return settings;
    }

    private List<List<String>> rows() {
        var rows = new ArrayList<List<String>>();
        rows.add(HEADS);
        for (var measured : run.cases()) {
            var row = new ArrayList<>(List.of(
                    measured.transport().text,
                    Integer.toString(measured.streams()),
                    Figures.shown(measured.tokensPerSecond())));
            for (var percent : new int[] {50, 95, 99}) {
                row.add(Figures.millis(Figures.percentile(measured.firstMillis(), percent)));
            }
            for (var percent : new int[] {50, 95, 99}) {
                row.add(Figures.millis(Figures.percentile(measured.betweenMillis(), percent)));
            }
            row.add(Figures.millis(Figures.median(measured.wholeMillis())));
            row.add(Integer.toString(measured.good().size()));
            row.add(Long.toString(measured.errorCount()));
            rows.add(row);
        }
        return rows;
    }

    private List<String> errors() {
        return run.cases().stream()
                .flatMap(measured -> measured.errors().entrySet().stream()
                        .map(error -> "%s, %s: %d × %s"
                                .formatted(
                                        measured.transport().text,
                                        Figures.count(measured.streams(), "stream"),
                                        error.getValue(),
                                        error.getKey())))
                .toList();
    }

    private Page page() {
        var options = run.options();
        var page = new Page(
                "Load test",
                options.target().shown() + " · " + (options.openAi() ? run.model() : "worker") + " · "
                        + Instant.now().truncatedTo(ChronoUnit.MINUTES));
        run.stopped().ifPresent(why -> page.notice("Not all was run: " + why + "."));
        if (!run.cases().isEmpty()) {
            page.cards(cards());
            page.section("By the number of streams");
            page.plots(
                    plot(
                            "Tokens a second, all streams together",
                            "tokens/s",
                            false,
                            Map.of("", LoadCase::tokensPerSecond)),
                    plot("Time to the first token", "ms", true, percentiles(LoadCase::firstMillis)),
                    plot("Between tokens", "ms", true, percentiles(LoadCase::betweenMillis)),
                    plot("A whole answer, p50", "ms", true, Map.of("", one -> Figures.median(one.wholeMillis()))));
            page.section("Figures");
            page.table(HEADS, rows().subList(1, rows().size()));
        }
        if (!errors().isEmpty()) {
            page.section("Errors").list(errors());
        }
        page.section("Settings").settings(settings());
        return page;
    }

    private List<Page.Card> cards() {
        var fastest = run.cases().stream()
                .max(Comparator.comparing(LoadCase::tokensPerSecond))
                .orElseThrow();
        var first =
                run.cases().stream().filter(one -> !one.firstMillis().isEmpty()).findFirst();
        var errors = run.cases().stream().mapToLong(LoadCase::errorCount).sum();
        var answers =
                run.cases().stream().mapToLong(one -> one.generations().size()).sum();
        var cards = new ArrayList<Page.Card>();
        cards.add(new Page.Card(
                Page.Tone.PLAIN, "Most tokens a second", Figures.shown(fastest.tokensPerSecond()), named(fastest), ""));
        first.ifPresent(one -> cards.add(new Page.Card(
                Page.Tone.PLAIN,
                "To the first token, p50",
                Figures.millis(Figures.median(one.firstMillis())),
                named(one) + "; between tokens " + Figures.millis(Figures.median(one.betweenMillis())),
                "")));
        cards.add(new Page.Card(
                errors == 0 ? Page.Tone.GOOD : Page.Tone.BAD,
                "Errors",
                errors == 0 ? "none" : Long.toString(errors),
                "of " + Figures.count(answers, "request"),
                ""));
        return cards;
    }

    private static String named(LoadCase one) {
        return Figures.count(one.streams(), "stream") + " over " + one.transport().text;
    }

    private static Map<String, Function<LoadCase, Double>> percentiles(Function<LoadCase, Collection<Double>> figures) {
        var both = new LinkedHashMap<String, Function<LoadCase, Double>>();
        both.put(", p50", one -> Figures.percentile(figures.apply(one), 50));
        both.put(HIGH, one -> Figures.percentile(figures.apply(one), 99));
        return both;
    }

    /// A line for each transport and figure that there is.
    private String plot(
            String caption, String unit, boolean logarithmic, Map<String, Function<LoadCase, Double>> figures) {
        var columns = run.cases().stream()
                .map(LoadCase::streams)
                .distinct()
                .map(String::valueOf)
                .toList();
        var series = new ArrayList<Series>();
        for (var transport : run.options().transports()) {
            figures.forEach((name, figure) -> {
                var points = run.cases().stream()
                        .filter(one -> one.transport() == transport && Double.isFinite(figure.apply(one)))
                        .map(one -> Series.Point.of(
                                columns.indexOf(String.valueOf(one.streams())),
                                figure.apply(one),
                                named(one) + name + ": " + Figures.shown(figure.apply(one)) + " " + unit))
                        .toList();
                if (!points.isEmpty()) {
                    series.add(new Series(transport.text + name, transport.ordinal(), name.equals(HIGH), points));
                }
            });
        }
        return Charts.lines(caption, columns, "streams", unit, logarithmic, series);
    }
}
