package scaling;

import client.Answer;
import client.Figures;
import client.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import report.Charts;
import report.Page;
import report.Series;

/// Writes a run as JSON and as a page.
public final class ScalingReport {
    /// More lines than that nobody tells apart.
    private static final int SHOWN_SOCKETS = 50;

    private static final Series IDLE = Series.of("idle", 0, List.of());
    private static final Series USED = Series.of("used", 2, List.of());
    private static final Series UPGRADE = Series.of("upgrade", 3, List.of());

    private final ScalingRun run;

    public ScalingReport(ScalingRun run) {
        this.run = run;
    }

    public void write() throws IOException {
        var options = run.probe().options();
        Files.writeString(options.json(), Json.write(ScalingFigures.of(run)) + "\n");
        page().write(options.html());
    }

    /// The verdicts and what they mean, for a terminal.
    public String text() {
        var text = new StringBuilder("\n");
        for (var outcome : run.outcomes()) {
            text.append("%-11s %s: %s%n".formatted(outcome.state(), outcome.name(), outcome.sentence()));
        }
        text.append('\n');
        for (var verdict : run.verdicts()) {
            text.append("%-12s %s%n%13s%s%n"
                    .formatted(
                            verdict.finding().text.toUpperCase(java.util.Locale.ROOT),
                            verdict.question(),
                            "",
                            verdict.because()));
            text.append(verdict.advice().isEmpty() ? "" : "%13s→ %s%n".formatted("", verdict.advice()));
        }
        text.append('\n');
        run.reading().forEach(sentence -> text.append(sentence).append('\n'));
        run.stopped().ifPresent(why -> text.append("Stopped: ").append(why).append('\n'));
        return text.toString();
    }

    private Page page() {
        var options = run.probe().options();
        var page = new Page(
                "Scaling tests",
                options.target().shown() + " · " + Instant.now().truncatedTo(ChronoUnit.MINUTES) + " · "
                        + Figures.count(options.connections(), "WebSocket") + ", "
                        + Figures.seconds(options.duration().toMillis() / 1000.0));
        run.stopped().ifPresent(why -> page.notice("Not all was run: " + why + "."));
        page.cards(run.outcomes().stream().map(ScalingReport::card).toList());
        page.list(run.reading());
        page.section("What the balancer does");
        page.cards(run.verdicts().stream().map(ScalingReport::card).toList());
        page.section("What was seen");
        page.plots(plots().toArray(String[]::new));
        page.section("Settings");
        page.settings(ScalingFigures.settings(options));
        return page;
    }

    private static Page.Card card(Outcome outcome) {
        return switch (outcome.state()) {
            case PASSED -> new Page.Card(Page.Tone.GOOD, outcome.name(), "passed", outcome.sentence(), "");
            case FAILED -> new Page.Card(Page.Tone.BAD, outcome.name(), "failed", outcome.sentence(), "");
            case UNFINISHED -> new Page.Card(Page.Tone.OPEN, outcome.name(), "not finished", outcome.sentence(), "");
        };
    }

    private static Page.Card card(Verdict verdict) {
        var tone = verdict.finding() == Verdict.Finding.CANNOT_TELL
                ? Page.Tone.OPEN
                : verdict.welcome() ? Page.Tone.GOOD : Page.Tone.BAD;
        return new Page.Card(tone, verdict.question(), verdict.finding().text, verdict.because(), verdict.advice());
    }

    private List<String> plots() {
        var plots = new ArrayList<String>();
        if (!run.polling().polls().isEmpty()) {
            plots.add(Charts.overTime(
                    "Answers over the run",
                    List.of(
                            series("GET /ping", 0, run.polling().polls()),
                            series("POST /generate", 1, run.mixed().posts()))));
        }
        lifelines(plots, "WebSockets alone", run.sockets().sockets());
        lifelines(plots, "WebSockets beside requests", run.mixed().sockets());
        upgrades(plots);
        affinity(plots);
        return plots;
    }

    private static Series series(String name, int colour, List<Answer> answers) {
        return Series.of(
                name,
                colour,
                answers.stream()
                        .map(answer -> new Series.Point(
                                answer.at(),
                                answer.millis(),
                                !answer.isOk(),
                                answer.outcome() + " after " + Figures.millis(answer.millis())))
                        .toList());
    }

    private static void lifelines(List<String> plots, String caption, Sockets all) {
        var opened = all.opened().all();
        if (opened.isEmpty()) {
            return;
        }
        var begin = opened.stream().mapToDouble(HeldSocket::askedAt).min().orElse(0);
        var bars = opened.stream().limit(SHOWN_SOCKETS).map(socket -> {
            var open = socket.openedAt() - begin;
            var end = socket.endedAt() - begin;
            var told = (socket.isSilent() ? "idle" : "used") + ", " + Figures.seconds(end - open)
                    + (socket.worker().isEmpty() ? "" : ", worker " + socket.worker())
                    + socket.cut().map(cut -> ", " + cut.how()).orElse("");
            return new Charts.Bar(
                    "",
                    List.of(
                            new Charts.Part(
                                    3,
                                    socket.askedAt() - begin,
                                    open,
                                    "upgrade, " + Figures.millis(socket.handshakeMillis())),
                            new Charts.Part(socket.isSilent() ? 0 : 2, open, end, told)),
                    socket.exchanges().stream().map(e -> e.at() - begin).toList(),
                    socket.cut().map(HeldSocket.Cut::at).orElse(Double.NaN + begin) - begin,
                    socket.cut().map(HeldSocket.Cut::how).orElse(""));
        });
        var rows = bars.toList();
        plots.add(Charts.bars(
                caption + (opened.size() > SHOWN_SOCKETS ? ", the first " + SHOWN_SOCKETS : "")
                        + ": a bar each, ✕ where it was cut",
                "seconds",
                all.all().stream().allMatch(HeldSocket::isSilent)
                        ? List.of(IDLE, UPGRADE)
                        : List.of(IDLE, USED, UPGRADE),
                rows));
    }

    private void upgrades(List<String> plots) {
        var together = run.sockets().sockets().opened().handshakeMillis().stream()
                .sorted()
                .limit(SHOWN_SOCKETS)
                .toList();
        if (together.isEmpty()) {
            return;
        }
        var bars = new ArrayList<Charts.Bar>();
        run.sockets().lone().stream()
                .filter(HeldSocket::wasOpened)
                .map(HeldSocket::handshakeMillis)
                .forEach(millis -> bars.add(Charts.Bar.of("alone", part(2, millis))));
        together.forEach(millis -> bars.add(Charts.Bar.of(bars.size() % 5 == 3 ? "at once" : "", part(0, millis))));
        plots.add(Charts.bars(
                "Upgrades: a staircase where they wait for each other",
                "ms",
                List.of(Series.of("at once", 0, List.of()), Series.of("alone", 2, List.of())),
                bars));
    }

    private static Charts.Part part(int series, double millis) {
        return new Charts.Part(series, 0, millis, Figures.millis(millis));
    }

    private void affinity(List<String> plots) {
        var tallies = run.mixed().affinity().map(AffinityProbe::tallies).orElse(Map.of());
        if (tallies.isEmpty()) {
            return;
        }
        var bars = tallies.entrySet().stream()
                .map(entry -> {
                    var tally = entry.getValue();
                    var known = tally.kept() + tally.lost();
                    return Charts.Bar.of(
                            entry.getKey(),
                            new Charts.Part(
                                    2, 0, tally.kept(), entry.getKey() + ": " + tally.kept() + " by the one asked for"),
                            new Charts.Part(1, tally.kept(), known, tally.lost() + " by another"),
                            new Charts.Part(3, known, tally.asked(), tally.unknown() + " without an id"));
                })
                .toList();
        plots.add(Charts.bars(
                "Answers to requests for one worker",
                "answers",
                List.of(
                        Series.of("by the one asked for", 2, List.of()),
                        Series.of("by another", 1, List.of()),
                        Series.of("without an id", 3, List.of())),
                bars));
    }
}
