package dev.llmworker.scaling;

import dev.llmworker.scaling.Chart.Bar;
import dev.llmworker.scaling.Report.Card;
import dev.llmworker.scaling.Report.Tone;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a run of the scaling tests found, as its JSON report has it.
record ScalingReport(
        String program,
        Map<String, Object> settings,
        boolean passed,
        String stopped,
        List<Card> tests,
        Map<Question, Card> verdicts,
        List<String> reading,
        Map<String, Sockets.Fate> sockets,
        ScalingRun measured) {
    /// More rows cannot be told apart.
    private static final int SHOWN_SOCKETS = 50;

    static Report of(ScalingRun run) {
        var tests = List.of(Verdicts.polling(run), Verdicts.alone(run), Verdicts.mixed(run));
        var verdicts = new EnumMap<Question, Card>(Question.class);
        for (var question : Question.values()) {
            verdicts.put(question, question.verdict(run));
        }
        var sockets = Map.of(
                "alone", run.alone.opened().fate(),
                "idle", run.mixed.idle().fate(),
                "used", run.mixed.used().fate());
        var settings = run.options.settings();
        var passed = tests.stream().allMatch(test -> test.tone() == Tone.GOOD);
        var reading = Verdicts.reading(run, tests, verdicts);
        var cards = new ArrayList<>(tests);
        cards.addAll(verdicts.values());
        return new Report(
                "Scaling tests",
                settings,
                run.stopped,
                reading,
                cards,
                charts(run),
                List.of(),
                new ScalingReport("ScalingTest", settings, passed, run.stopped, tests, verdicts, reading, sockets, run),
                passed);
    }

    private static List<Chart> charts(ScalingRun run) {
        var charts = new ArrayList<Chart>();
        lifelines("WebSockets alone", run.alone.opened()).ifPresent(charts::add);
        lifelines("WebSockets next to requests", run.mixed.opened()).ifPresent(charts::add);
        var upgrades = new ArrayList<Bar>();
        run.alone.opened().handshakeMillis().stream()
                .sorted()
                .limit(SHOWN_SOCKETS)
                .forEach(millis -> upgrades.add(new Bar("upgrade", 0, millis)));
        if (!upgrades.isEmpty()) {
            charts.add(Chart.bars("Upgrades: a staircase if they wait for each other", "ms", upgrades));
        }
        return charts;
    }

    /// A bar for each WebSocket, from its upgrade to its end.
    private static Optional<Chart> lifelines(String caption, Sockets opened) {
        var begin = opened.all().stream().mapToDouble(socket -> socket.askedAt).min();
        if (begin.isEmpty()) {
            return Optional.empty();
        }
        var bars = opened.all().stream()
                .limit(SHOWN_SOCKETS)
                .map(socket -> new Bar(
                        (socket.idle ? "idle" : "used") + (socket.cut().isPresent() ? ", cut" : ""),
                        socket.openedAt - begin.getAsDouble(),
                        socket.endedAt() - begin.getAsDouble()))
                .toList();
        return Optional.of(Chart.bars(
                caption + (opened.size() > SHOWN_SOCKETS ? ", the first " + SHOWN_SOCKETS : ""), "seconds", bars));
    }
}
