package dev.llmworker.scaling;

import dev.llmworker.scaling.Client.Answer;
import dev.llmworker.scaling.Report.Card;
import dev.llmworker.scaling.Report.Tone;
import dev.llmworker.scaling.ScalingRun.Test;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The results of the three tests.
final class Outcomes {
    private Outcomes() {}

    static Card polling(ScalingRun run) {
        var polls = run.polls;
        var healthy = polls.stream().filter(Answer::isOk).count();
        var median = Figures.median(polls.stream().map(Answer::millis).toList());
        return outcome(
                "HTTP polling alone",
                run.isFinished(Test.POLLING),
                healthy == polls.size(),
                "%d of %s healthy, median %s"
                        .formatted(healthy, Figures.count(polls.size(), "health check"), Figures.millis(median)),
                failures(polls));
    }

    static Card alone(ScalingRun run) {
        var sockets = run.alone;
        var alive = sockets.survivors().size();
        return outcome(
                "WebSockets alone",
                run.isFinished(Test.ALONE),
                alive == sockets.size(),
                "%d of %s opened, %d answered after %s of silence"
                        .formatted(
                                sockets.opened().size(),
                                Figures.count(sockets.size(), "WebSocket"),
                                alive,
                                Figures.seconds(run.aloneSeconds)),
                sockets.cuts().isEmpty() ? "" : sockets.endings() + ", after " + Figures.range(sockets.ages()),
                sockets.refusals());
    }

    static Card mixed(ScalingRun run) {
        var sockets = run.mixed;
        var served = run.posts.stream().filter(Answer::isOk).count();
        var alive = sockets.survivors().size();
        return outcome(
                "HTTP and WebSockets mixed",
                run.isFinished(Test.MIXED),
                served == run.posts.size() && alive == sockets.size(),
                "%d of %s answered, %d of %s alive after %s"
                        .formatted(
                                served,
                                Figures.count(run.posts.size(), "request"),
                                alive,
                                Figures.count(sockets.size(), "WebSocket"),
                                Figures.seconds(run.mixedSeconds)),
                failures(run.posts),
                sockets.endings(),
                sockets.refusals());
    }

    private static String failures(List<Answer> answers) {
        return Figures.counted(answers.stream().filter(answer -> !answer.isOk()).map(Answer::outcome));
    }

    /// @param parts of the sentence; empty ones are left out
    private static Card outcome(String name, boolean isFinished, boolean isPassed, String... parts) {
        var because = Stream.of(parts).filter(part -> !part.isEmpty()).collect(Collectors.joining("; "));
        return !isFinished
                ? new Card(Tone.OPEN, name, "unfinished", because, "")
                : isPassed
                        ? new Card(Tone.GOOD, name, "passed", because, "")
                        : new Card(Tone.BAD, name, "failed", because, "");
    }
}
