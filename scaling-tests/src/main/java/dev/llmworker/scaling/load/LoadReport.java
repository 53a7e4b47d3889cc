package dev.llmworker.scaling.load;

import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.report.Page;
import dev.llmworker.scaling.report.Page.Card;
import dev.llmworker.scaling.report.Page.Section;
import dev.llmworker.scaling.report.Page.Tone;
import dev.llmworker.scaling.report.Plot;
import dev.llmworker.scaling.report.Plot.Point;
import dev.llmworker.scaling.report.Plot.Series;
import dev.llmworker.scaling.report.Plot.Style;
import dev.llmworker.scaling.report.Report;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;

/// What a load test measured.
final class LoadReport implements Report {
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

    private static final List<Integer> PERCENTILES = List.of(50, 95, 99);

    private final LoadTest options;
    private final LoadRun run;

    LoadReport(LoadTest options, LoadRun run) {
        this.options = options;
        this.run = run;
    }

    @Override
    public boolean passed() {
        return run.stopped.isEmpty() && run.cases.stream().allMatch(one -> one.errorCount() == 0);
    }

    @Override
    public Map<String, Object> figures() {
        return Json.object(
                "program", "LoadTest",
                "written", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                "settings", options.settings(run.model),
                "stopped", run.stopped.orElse(null),
                "cases", run.cases.stream().map(LoadCase::figures).toList());
    }

    @Override
    public String text() {
        var text = new StringBuilder("\n");
        Stream.concat(Stream.of(HEADS), run.cases.stream().map(LoadReport::row))
                .forEach(row -> text.append("%-10s%8s%9s%16s%8s%8s%12s%8s%8s%11s%8s%7s%n".formatted(row.toArray())));
        errors().forEach(error -> text.append(error).append('\n'));
        run.stopped.ifPresent(why -> text.append("Stopped: ").append(why).append('\n'));
        return text.toString();
    }

    private static List<String> row(LoadCase one) {
        var row = new ArrayList<String>();
        row.add(one.transport().text);
        row.add(Integer.toString(one.streams()));
        row.add(Figures.shown(one.tokensPerSecond()));
        for (var figures : List.of(one.firstMillis(), one.betweenMillis())) {
            PERCENTILES.forEach(percent -> row.add(Figures.millis(Figures.percentile(figures, percent))));
        }
        row.add(Figures.millis(Figures.median(one.wholeMillis())));
        row.add(Integer.toString(one.good().size()));
        row.add(Long.toString(one.errorCount()));
        return row;
    }

    private List<String> errors() {
        return run.cases.stream()
                .flatMap(one -> one.errors().entrySet().stream()
                        .map(error -> "%s: %d × %s".formatted(one.name(), error.getValue(), error.getKey())))
                .toList();
    }

    @Override
    public Page page() {
        var sections = new ArrayList<Section>();
        if (!run.cases.isEmpty()) {
            sections.add(Section.of("", "cards", cards()));
            sections.add(Section.of("By the number of streams", "plots", plots()));
            var rows = run.cases.stream().map(LoadReport::row).toList();
            sections.add(Section.of("Figures", "table", new Page.Table(HEADS, rows)));
        }
        if (!errors().isEmpty()) {
            sections.add(Section.of("Errors", "sentences", errors()));
        }
        sections.add(
                Section.of("Settings", "settings", options.settings(run.model).entrySet()));
        return new Page(
                "Load test",
                "%s · %s · %s"
                        .formatted(
                                options.url(),
                                options.isOpenAi() ? run.model : "worker",
                                Instant.now().truncatedTo(ChronoUnit.MINUTES)),
                run.stopped.map(why -> "Not all was run: " + why + "."),
                sections);
    }

    private List<Card> cards() {
        var cards = new ArrayList<Card>();
        var fastest = run.cases.stream()
                .max(Comparator.comparing(LoadCase::tokensPerSecond))
                .orElseThrow();
        cards.add(new Card(
                Tone.PLAIN, "Most tokens per second", Figures.shown(fastest.tokensPerSecond()), fastest.name(), ""));
        run.cases.stream()
                .filter(one -> !one.firstMillis().isEmpty())
                .findFirst()
                .ifPresent(one -> cards.add(new Card(
                        Tone.PLAIN,
                        "Time to the first token, p50",
                        Figures.millis(Figures.median(one.firstMillis())),
                        one.name() + "; between tokens " + Figures.millis(Figures.median(one.betweenMillis())),
                        "")));
        var errors = run.cases.stream().mapToLong(LoadCase::errorCount).sum();
        var requests =
                run.cases.stream().mapToLong(one -> one.generations().size()).sum();
        cards.add(new Card(
                errors == 0 ? Tone.GOOD : Tone.BAD,
                "Errors",
                errors == 0 ? "none" : Long.toString(errors),
                "of " + Figures.count(requests, "request"),
                ""));
        return cards;
    }

    private List<Plot> plots() {
        return List.of(
                plot(
                        "Tokens per second, all streams together",
                        "tokens/s",
                        lines("", Style.LINE, LoadCase::tokensPerSecond)),
                plot("Time to the first token", "ms", percentiles(LoadCase::firstMillis))
                        .logarithmic(),
                plot("Between tokens", "ms", percentiles(LoadCase::betweenMillis))
                        .logarithmic(),
                plot("A whole answer, p50", "ms", lines("", Style.LINE, one -> Figures.median(one.wholeMillis())))
                        .logarithmic());
    }

    private List<String> columns() {
        return run.cases.stream()
                .map(one -> Integer.toString(one.streams()))
                .distinct()
                .toList();
    }

    private Plot plot(String caption, String unit, List<Series> lines) {
        return new Plot(caption, "streams", unit, lines).columns(columns());
    }

    private List<Series> percentiles(Function<LoadCase, Collection<Double>> figures) {
        return Stream.concat(
                        lines(", p50", Style.LINE, one -> Figures.median(figures.apply(one))).stream(),
                        lines(", p99", Style.DASHED_LINE, one -> Figures.percentile(figures.apply(one), 99)).stream())
                .toList();
    }

    /// A line for each transport.
    private List<Series> lines(String suffix, Style style, Function<LoadCase, Double> figure) {
        return options.transports.stream()
                .map(transport -> new Series(
                        transport.text + suffix,
                        transport.ordinal(),
                        style,
                        run.cases.stream()
                                .filter(one -> one.transport() == transport && Double.isFinite(figure.apply(one)))
                                .map(one -> new Point(
                                        columns().indexOf(Integer.toString(one.streams())),
                                        figure.apply(one),
                                        one.name() + suffix + ": " + Figures.shown(figure.apply(one))))
                                .toList()))
                .toList();
    }
}
