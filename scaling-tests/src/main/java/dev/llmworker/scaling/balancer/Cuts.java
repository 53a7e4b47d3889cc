package dev.llmworker.scaling.balancer;

import static dev.llmworker.scaling.balancer.Verdict.Finding.CANNOT_TELL;
import static dev.llmworker.scaling.balancer.Verdict.Finding.NO;
import static dev.llmworker.scaling.balancer.Verdict.Finding.YES;

import dev.llmworker.scaling.balancer.Verdict.Question;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import java.util.Map;

/// Whether WebSockets are cut, when, and whether it is because they are idle. In the mixed test requests keep a worker
/// busy, and used WebSockets live next to idle ones. If only idle ones are cut, there is an idle timeout. If both are
/// cut at one age, there is a limit on their life.
final class Cuts {
    private static final double PLATFORM_SECONDS = 330;
    /// There is an idle timeout if the used WebSockets live this much longer than the idle ones.
    private static final double MUCH_LONGER = 1.5;

    private final SocketsTest alone;
    private final MixedTest mixed;

    Cuts(SocketsTest alone, MixedTest mixed) {
        this.alone = alone;
        this.mixed = mixed;
    }

    Verdict cut() {
        var opened = mixed.sockets().opened();
        var cuts = opened.cut();
        if (opened.isEmpty() && alone.sockets().opened().isEmpty()) {
            return because(Question.CUT, CANNOT_TELL, "No WebSocket opened.", "");
        }
        if (forIdleness()) {
            var idle = mixed.idle().cut();
            return because(
                    Question.CUT,
                    YES,
                    "%s cut after %s without a frame (%s); %s."
                            .formatted(
                                    were(idle, "idle WebSocket"),
                                    Sockets.range(idle.idleTimes()),
                                    idle.endings(),
                                    fateOfUsed()),
                    "");
        }
        if (!cuts.isEmpty()) {
            return because(
                    Question.CUT,
                    YES,
                    "%d of %s were cut at an age of %s, used or not (%s)."
                            .formatted(
                                    cuts.size(),
                                    Figures.count(opened.size(), "WebSocket"),
                                    Sockets.range(cuts.ages()),
                                    cuts.endings()),
                    "Clients must open a new WebSocket then; end each generation before (REQUEST_TIMEOUT).");
        }
        if (!mixed.isFinished()) {
            return because(Question.CUT, CANNOT_TELL, "The mixed test was not finished.", "");
        }
        return because(
                Question.CUT,
                NO,
                "None of %s was cut within %s while a worker was running."
                        .formatted(
                                Figures.count(opened.size(), "WebSocket"),
                                Figures.seconds(Math.max(alone.heldSeconds(), mixed.heldSeconds()))),
                mixed.heldSeconds() > PLATFORM_SECONDS ? "" : "--duration 340 would show a cut at RunPod's 330 s.");
    }

    Verdict proxy() {
        var idle = mixed.idle();
        if (forIdleness()) {
            return because(
                    Question.PROXY,
                    YES,
                    "The worker was running and used WebSockets lived on, but %s cut after %s without a frame."
                            .formatted(
                                    were(idle.cut(), "idle WebSocket"),
                                    Sockets.range(idle.cut().idleTimes())),
                    "Raise the proxy's idle timeout (see proxies/), or send a WebSocket ping more often.");
        }
        if (!mixed.isFinished()) {
            return because(Question.PROXY, CANNOT_TELL, "The mixed test was not finished.", "");
        }
        if (idle.isEmpty()) {
            return because(
                    Question.PROXY,
                    CANNOT_TELL,
                    "No idle WebSocket was open next to the requests.",
                    mixed.sockets().size() < 2 ? "At least --connections 2." : "");
        }
        return because(
                Question.PROXY,
                NO,
                idle.cut().isEmpty()
                        ? "%s lived through %s without a frame."
                                .formatted(
                                        Figures.count(idle.size(), "idle WebSocket"),
                                        Figures.seconds(mixed.heldSeconds()))
                        : "Idle WebSockets were cut at the same age as used ones.",
                "");
    }

    private boolean forIdleness() {
        var idleCuts = mixed.idle().cut();
        if (idleCuts.isEmpty()) {
            return false;
        }
        var usedAges = mixed.used().cut().ages();
        return usedAges.size() < mixed.used().size() / 2.0
                || (mixed.used().isEmpty() && alone.loss().isEmpty())
                || Figures.median(usedAges) > MUCH_LONGER * Figures.median(idleCuts.ages());
    }

    private String fateOfUsed() {
        var cut = mixed.used().cut();
        return cut.isEmpty()
                ? "used ones were not"
                : "used ones lived longer, but %d of them were cut at an age of %s"
                        .formatted(cut.size(), Sockets.range(cut.ages()));
    }

    private static String were(Sockets sockets, String name) {
        return Figures.count(sockets.size(), name) + (sockets.size() == 1 ? " was" : " were");
    }

    private Verdict because(Question question, Verdict.Finding finding, String because, String advice) {
        var figures = Json.object(
                "held_seconds", mixed.heldSeconds(),
                "idle", group(mixed.idle()),
                "used", group(mixed.used()),
                "alone", group(alone.sockets().opened()));
        return new Verdict(question, finding, because, advice, figures);
    }

    private static Map<String, Object> group(Sockets sockets) {
        var group = Json.object("opened", sockets.size(), "cut", sockets.cut().size());
        if (!sockets.cut().isEmpty()) {
            group.putAll(Json.object(
                    "median_age_seconds", Figures.median(sockets.ages()),
                    "median_idle_seconds", Figures.median(sockets.idleTimes()),
                    "how", sockets.endings()));
        }
        return group;
    }
}
