package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.balancer.Outcome.State;
import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.report.Page;
import dev.llmworker.scaling.report.Page.Section;
import dev.llmworker.scaling.report.Plot;
import dev.llmworker.scaling.report.Plot.Point;
import dev.llmworker.scaling.report.Plot.Series;
import dev.llmworker.scaling.report.Plot.Style;
import dev.llmworker.scaling.report.Report;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/// What a run of the scaling tests found.
final class ScalingReport implements Report {
    /// More rows cannot be told apart.
    private static final int SHOWN_SOCKETS = 50;

    private final ScalingRun run;
    private final List<Outcome> outcomes;
    private final List<Verdict> verdicts;
    private final List<String> reading;

    ScalingReport(ScalingRun run) {
        this.run = run;
        outcomes = run.outcomes();
        verdicts = run.verdicts();
        reading = new Reading(outcomes, verdicts, run.sockets.sockets()).sentences();
    }

    @Override
    public boolean passed() {
        return outcomes.stream().allMatch(outcome -> outcome.state() == State.PASSED);
    }

    @Override
    public Map<String, Object> figures() {
        var answers = new LinkedHashMap<String, Object>();
        verdicts.forEach(verdict -> answers.put(verdict.question().key, verdict.json()));
        return Json.object(
                "program", "ScalingTest",
                "written", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                "settings", run.probe.options().settings(),
                "passed", passed(),
                "stopped", run.stopped.orElse(null),
                "tests", outcomes.stream().map(Outcome::figures).toList(),
                "verdicts", answers,
                "reading", reading,
                "warm_up", Json.object("seconds", run.warmUpSeconds, "answers", run.warmUp),
                "polls", run.polling.polls(),
                "control", run.control.sentence(),
                "lone_upgrades", figures(run.sockets.lone()),
                "sockets_alone", figures(run.sockets.sockets()),
                "sockets_mixed", figures(run.mixed.sockets()),
                "requests_mixed", run.mixed.posts());
    }

    private static List<Map<String, Object>> figures(Sockets sockets) {
        return sockets.all().stream().map(HeldSocket::figures).toList();
    }

    @Override
    public String text() {
        var text = new StringBuilder("\n");
        outcomes.forEach(outcome ->
                text.append("%-11s %s: %s%n".formatted(outcome.state(), outcome.name(), outcome.sentence())));
        text.append('\n');
        for (var verdict : verdicts) {
            text.append("%-12s %s%n%13s%s%n"
                    .formatted(
                            verdict.finding().text.toUpperCase(Locale.ROOT),
                            verdict.question().text,
                            "",
                            verdict.because()));
            text.append(verdict.advice().isEmpty() ? "" : "%13s→ %s%n".formatted("", verdict.advice()));
        }
        text.append('\n');
        reading.forEach(sentence -> text.append(sentence).append('\n'));
        run.stopped.ifPresent(why -> text.append("Stopped: ").append(why).append('\n'));
        return text.toString();
    }

    @Override
    public Page page() {
        var options = run.probe.options();
        return new Page(
                "Scaling tests",
                "%s · %s · %s, %s"
                        .formatted(
                                options.url(),
                                Instant.now().truncatedTo(ChronoUnit.MINUTES),
                                Figures.count(options.connections, "WebSocket"),
                                Figures.seconds(options.duration)),
                run.stopped.map(why -> "Not all was run: " + why + "."),
                List.of(
                        Section.of(
                                "",
                                "cards",
                                outcomes.stream().map(Outcome::card).toList()),
                        Section.of("", "sentences", reading),
                        Section.of(
                                "What the balancer does",
                                "cards",
                                verdicts.stream().map(Verdict::card).toList()),
                        Section.of("What was measured", "plots", plots()),
                        Section.of("Settings", "settings", options.settings().entrySet())));
    }

    private List<Plot> plots() {
        var plots = new ArrayList<Plot>();
        if (!run.polling.polls().isEmpty()) {
            plots.add(answers());
        }
        lifelines(plots, "WebSockets alone", run.sockets.sockets().opened());
        lifelines(plots, "WebSockets next to requests", run.mixed.sockets().opened());
        if (!run.sockets.sockets().opened().isEmpty()) {
            plots.add(upgrades());
        }
        return plots;
    }

    /// How long each answer took; failed requests are crosses at the top.
    private Plot answers() {
        var all = Stream.concat(run.polling.polls().stream(), run.mixed.posts().stream())
                .toList();
        var slowest = all.stream()
                .filter(Answer::isOk)
                .mapToDouble(Answer::millis)
                .max()
                .orElse(10);
        return new Plot(
                        "Answers over the run",
                        "seconds of the run",
                        "ms",
                        List.of(
                                series("GET /ping", 0, run.polling.polls()),
                                series("POST /generate", 1, run.mixed.posts()),
                                new Series(
                                        "failed",
                                        0,
                                        Style.CROSSES,
                                        all.stream()
                                                .filter(answer -> !answer.isOk())
                                                .map(answer -> new Point(answer.at(), slowest, note(answer)))
                                                .toList())))
                .logarithmic();
    }

    private static Series series(String name, int colour, List<Answer> answers) {
        return new Series(
                name,
                colour,
                Style.MARKS,
                answers.stream()
                        .filter(Answer::isOk)
                        .map(answer -> new Point(answer.at(), answer.millis(), note(answer)))
                        .toList());
    }

    private static String note(Answer answer) {
        return answer.outcome() + " after " + Figures.millis(answer.millis());
    }

    /// A bar for each WebSocket, from its upgrade to its end.
    private static void lifelines(List<Plot> plots, String caption, Sockets opened) {
        if (opened.isEmpty()) {
            return;
        }
        var shown = opened.all().stream().limit(SHOWN_SOCKETS).toList();
        var begin = opened.all().stream().mapToDouble(HeldSocket::askedAt).min().orElse(0);
        var upgrades = new ArrayList<Point>();
        var idle = new ArrayList<Point>();
        var used = new ArrayList<Point>();
        var prompts = new ArrayList<Point>();
        var cuts = new ArrayList<Point>();
        for (var row = 0; row < shown.size(); row++) {
            var socket = shown.get(row);
            var open = socket.openedAt() - begin;
            var end = socket.endedAt() - begin;
            var life = Figures.seconds(end - open) + (socket.worker().isEmpty() ? "" : ", worker " + socket.worker());
            bar(upgrades, socket.askedAt() - begin, open, row, "upgrade, " + Figures.millis(socket.handshakeMillis()));
            bar(socket.isIdle() ? idle : used, open, end, row, (socket.isIdle() ? "idle, " : "used, ") + life);
            for (var exchange : socket.exchanges()) {
                prompts.add(new Point(exchange.at() - begin, row, "prompt " + exchange.failure()));
            }
            if (socket.cut().isPresent()) {
                cuts.add(new Point(end, row, socket.cut().get().how()));
            }
        }
        plots.add(new Plot(
                        caption + (opened.size() > SHOWN_SOCKETS ? ", the first " + SHOWN_SOCKETS : ""),
                        "seconds",
                        "",
                        List.of(
                                new Series("idle", 0, Style.BARS, idle),
                                new Series("used", 2, Style.BARS, used),
                                new Series("upgrade", 3, Style.BARS, upgrades),
                                new Series("", 0, Style.NOTCHES, prompts),
                                new Series("cut", 0, Style.CROSSES, cuts)))
                .rows());
    }

    private static void bar(List<Point> to, double from, double end, int row, String note) {
        to.add(new Point(from, row, note));
        to.add(new Point(end, row, note));
    }

    private Plot upgrades() {
        var alone = run.sockets.lone().opened().handshakeMillis();
        var together = run.sockets.sockets().opened().handshakeMillis().stream()
                .sorted()
                .limit(SHOWN_SOCKETS)
                .toList();
        var loneBars = new ArrayList<Point>();
        var bars = new ArrayList<Point>();
        for (var i = 0; i < alone.size(); i++) {
            bar(loneBars, 0, alone.get(i), i, Figures.millis(alone.get(i)));
        }
        for (var i = 0; i < together.size(); i++) {
            bar(bars, 0, together.get(i), alone.size() + i, Figures.millis(together.get(i)));
        }
        return new Plot(
                        "Upgrades: a staircase if they wait for each other",
                        "ms",
                        "",
                        List.of(
                                new Series("alone", 2, Style.BARS, loneBars),
                                new Series("at the same time", 0, Style.BARS, bars)))
                .rows();
    }
}
