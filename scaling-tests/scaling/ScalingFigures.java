package scaling;

import client.Answer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A run as JSON has it: maps, lists and plain values, times in seconds of the run, durations by their unit.
final class ScalingFigures {
    private ScalingFigures() {}

    static Map<String, Object> of(ScalingRun run) {
        var figures = new LinkedHashMap<String, Object>();
        figures.put("program", "ScalingTest");
        figures.put("written", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        figures.put("settings", settings(run.probe().options()));
        figures.put("passed", run.passed());
        figures.put("stopped", run.stopped().orElse(null));
        figures.put("tests", run.outcomes().stream().map(ScalingFigures::test).toList());
        figures.put("verdicts", verdicts(run.verdicts()));
        figures.put("reading", run.reading());
        figures.put("warm_up", Map.of("seconds", run.warmUpSeconds(), "answers", answers(run.warmUp())));
        figures.put("polls", answers(run.polling().polls()));
        figures.put("control", run.control().sentence());
        figures.put("lone_upgrades", sockets(run.sockets().lone()));
        figures.put("sockets_alone", sockets(run.sockets().sockets().all()));
        figures.put("sockets_mixed", sockets(run.mixed().sockets().all()));
        figures.put("requests_mixed", answers(run.mixed().posts()));
        return figures;
    }

    static Map<String, Object> settings(ScalingOptions options) {
        var settings = new LinkedHashMap<String, Object>();
        settings.put("url", options.target().shown());
        settings.put("token", options.target().token().isPresent() ? "given" : "none");
        settings.put("connections", options.connections());
        settings.put("duration_seconds", options.duration().toMillis() / 1000.0);
        settings.put("health_polls", options.healthPolls());
        settings.put("health_interval_seconds", options.healthInterval().toMillis() / 1000.0);
        settings.put("control_seconds", options.control().toMillis() / 1000.0);
        settings.put("timeout_seconds", options.target().timeout().toMillis() / 1000.0);
        return settings;
    }

    private static Map<String, Object> test(Outcome outcome) {
        var test = new LinkedHashMap<String, Object>();
        test.put("name", outcome.name());
        test.put("state", outcome.state().name().toLowerCase(java.util.Locale.ROOT));
        test.put("because", outcome.sentence());
        return test;
    }

    private static Map<String, Object> verdicts(List<Verdict> verdicts) {
        var all = new LinkedHashMap<String, Object>();
        for (var verdict : verdicts) {
            var one = new LinkedHashMap<String, Object>();
            one.put("question", verdict.question());
            one.put("answer", verdict.finding().text);
            one.put("because", verdict.because());
            one.put("advice", verdict.advice());
            one.put("figures", verdict.figures());
            all.put(verdict.key(), one);
        }
        return all;
    }

    private static List<Map<String, Object>> answers(List<Answer> answers) {
        return answers.stream()
                .map(answer -> {
                    var map = new LinkedHashMap<String, Object>();
                    map.put("at", answer.at());
                    map.put("millis", answer.millis());
                    map.put("outcome", answer.outcome());
                    map.put("worker", answer.worker());
                    return (Map<String, Object>) map;
                })
                .toList();
    }

    private static List<Map<String, Object>> sockets(List<HeldSocket> sockets) {
        return sockets.stream().map(ScalingFigures::socket).toList();
    }

    private static Map<String, Object> socket(HeldSocket socket) {
        var map = new LinkedHashMap<String, Object>();
        map.put("idle", socket.isSilent());
        map.put("opened", socket.wasOpened());
        map.put("refusals", socket.refusals());
        if (socket.wasOpened()) {
            map.put("at", socket.openedAt());
            map.put("handshake_millis", socket.handshakeMillis());
            map.put("worker", socket.worker());
            map.put("prompts", socket.exchanges().size());
            map.put(
                    "answered",
                    socket.exchanges().stream()
                            .filter(e -> e.failure().isEmpty())
                            .count());
            map.put("ended_at", socket.endedAt());
            socket.cut().ifPresent(cut -> {
                map.put("cut", cut.how());
                map.put("age_seconds", cut.age());
                map.put("idle_seconds", cut.idle());
            });
        }
        return map;
    }
}
