package dev.llmworker.scaling;

import static dev.llmworker.scaling.Question.AFFINITY;
import static dev.llmworker.scaling.Question.IDLE_SOCKET_IN_FLIGHT;
import static dev.llmworker.scaling.Question.PROXY_CLOSES_IDLE;
import static dev.llmworker.scaling.Question.SOCKET_CUT;
import static dev.llmworker.scaling.Question.UPGRADES_SERIALISE;

import dev.llmworker.scaling.Look.Change;
import dev.llmworker.scaling.Report.Card;
import dev.llmworker.scaling.Report.Tone;
import dev.llmworker.scaling.ScalingRun.Test;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/// Answers the open questions from what was measured.
final class Verdicts {
    private static final String KEEP_ONE =
            "Keep a worker (min workers 1), or let the proxy send GET /ping more often than the idle timeout.";
    private static final double PLATFORM_SECONDS = 330;
    /// There is an idle timeout if the used WebSockets live this much longer than the idle ones.
    private static final double MUCH_LONGER = 1.5;

    private static final int FEWEST_UPGRADES = 4;
    /// A smaller spread may come from waiting for a processor, and disturbs nobody.
    private static final double LEAST_SPREAD_MILLIS = 1000;
    /// The share of the spread that steps of the median size must make up.
    private static final double EVEN = 0.5;

    private static final double LEAST_OPEN_TIMEOUT_SECONDS = 60;

    private Verdicts() {}

    /// An idle WebSocket counts if it keeps a worker that stops in silence, brings more workers, or uses up the
    /// capacity of one. It does not if its worker is stopped while it is open.
    static Card inFlight(ScalingRun run) {
        if (!run.isFinished(Test.ALONE)) {
            return IDLE_SOCKET_IN_FLIGHT.cannotTell("The test with WebSockets alone was not finished.", "");
        }
        if (run.alone.opened().isEmpty()) {
            return IDLE_SOCKET_IN_FLIGHT.cannotTell("No WebSocket opened.", "");
        }
        var held = Figures.count(run.alone.opened().size(), "idle WebSocket");
        var time = Figures.seconds(run.aloneSeconds);
        var change = run.held.orElseThrow();
        if (run.alone.survivors().isEmpty()) {
            return change.loss()
                    .map(reason -> IDLE_SOCKET_IN_FLIGHT.no(
                            "The worker stopped while it held %s, within %s: %s.".formatted(held, time, reason),
                            KEEP_ONE))
                    .orElseGet(() -> IDLE_SOCKET_IN_FLIGHT.cannotTell(
                            "The WebSockets were cut within " + time + " although the worker stayed.",
                            "First find out who cuts them: see the other verdicts."));
        }
        // Whether the WebSockets that were cut had workers that are no longer seen, while others are.
        var left = run.alone.that(socket -> socket.cut().isPresent()).workers();
        var seen = change.after().workers();
        if (!left.isEmpty() && !seen.isEmpty() && left.stream().noneMatch(seen::contains)) {
            return IDLE_SOCKET_IN_FLIGHT.no(
                    "A worker stopped within " + time + " with the idle WebSockets it held; others stayed.", KEEP_ONE);
        }
        return whileHeld(run, change, held, time);
    }

    private static Card whileHeld(ScalingRun run, Change change, String held, String time) {
        var silence = run.silence;
        if (silence.flatMap(Change::loss).isPresent()) {
            return IDLE_SOCKET_IN_FLIGHT.yes(
                    "With %s the worker stayed for %s; %s.".formatted(held, time, run.silenceSentence()), "");
        }
        if (change.wasBlockedUntil(run.afterClose)) {
            var first = change.after().first();
            return IDLE_SOCKET_IN_FLIGHT.yes(
                    "With %s open a request was answered %s after %s; it was not delayed after they were closed."
                            .formatted(held, first.outcome(), Figures.millis(first.millis())),
                    "Raise the limit of concurrent requests by the number of idle WebSockets.");
        }
        if (change.grown() > 0 && silence.map(Change::grown).orElse(0L) == 0) {
            return IDLE_SOCKET_IN_FLIGHT.yes(
                    held + " brought " + Figures.count(change.grown(), "worker") + " more; silence brought none.", "");
        }
        return IDLE_SOCKET_IN_FLIGHT.cannotTell(
                silence.isPresent()
                        ? "The worker stays with " + held + " and without any: " + run.silenceSentence() + "."
                        : "The worker stayed with " + held + ". What it does without any was not tried.",
                "Set min workers to 0, and --control and --duration longer than the idle timeout.");
    }

    static Card cut(ScalingRun run) {
        var opened = run.mixed.opened();
        if (opened.isEmpty() && run.alone.opened().isEmpty()) {
            return SOCKET_CUT.cannotTell("No WebSocket opened.", "");
        }
        if (isForIdleness(run)) {
            var idle = run.mixed.idle();
            var used = run.mixed.used();
            return SOCKET_CUT.yes(
                    "%s cut after %s without a frame (%s); %s."
                            .formatted(
                                    were(idle.cuts().size(), "idle WebSocket"),
                                    Figures.range(idle.idleTimes()),
                                    idle.endings(),
                                    used.cuts().isEmpty()
                                            ? "used ones were not"
                                            : "used ones lived longer, but %d of them were cut at an age of %s"
                                                    .formatted(used.cuts().size(), Figures.range(used.ages()))),
                    "");
        }
        if (!opened.cuts().isEmpty()) {
            return SOCKET_CUT.yes(
                    "%d of %s were cut at an age of %s, used or not (%s)."
                            .formatted(
                                    opened.cuts().size(),
                                    Figures.count(opened.size(), "WebSocket"),
                                    Figures.range(opened.ages()),
                                    opened.endings()),
                    "Clients must open a new WebSocket then; end each generation before (REQUEST_TIMEOUT).");
        }
        if (!run.isFinished(Test.MIXED)) {
            return SOCKET_CUT.cannotTell("The mixed test was not finished.", "");
        }
        return SOCKET_CUT.no(
                "None of %s was cut within %s while a worker was running."
                        .formatted(
                                Figures.count(opened.size(), "WebSocket"),
                                Figures.seconds(Math.max(run.aloneSeconds, run.mixedSeconds))),
                run.mixedSeconds > PLATFORM_SECONDS ? "" : "--duration 340 would show a cut at RunPod's 330 s.");
    }

    static Card proxy(ScalingRun run) {
        var idle = run.mixed.idle();
        if (isForIdleness(run)) {
            return PROXY_CLOSES_IDLE.yes(
                    "The worker was running and used WebSockets lived on, but %s cut after %s without a frame."
                            .formatted(were(idle.cuts().size(), "idle WebSocket"), Figures.range(idle.idleTimes())),
                    "Raise the proxy's idle timeout (see proxies/), or send a WebSocket ping more often.");
        }
        if (!run.isFinished(Test.MIXED)) {
            return PROXY_CLOSES_IDLE.cannotTell("The mixed test was not finished.", "");
        }
        if (idle.isEmpty()) {
            return PROXY_CLOSES_IDLE.cannotTell(
                    "No idle WebSocket was open next to the requests.",
                    run.mixed.size() < 2 ? "At least --connections 2." : "");
        }
        return PROXY_CLOSES_IDLE.no(
                idle.cuts().isEmpty()
                        ? "%s lived through %s without a frame."
                                .formatted(
                                        Figures.count(idle.size(), "idle WebSocket"), Figures.seconds(run.mixedSeconds))
                        : "Idle WebSockets were cut at the same age as used ones.",
                "");
    }

    /// In the mixed test requests keep a worker running, and used WebSockets live next to idle ones. If only idle ones
    /// are cut, there is an idle timeout. If both are cut at one age, there is a limit on their life.
    private static boolean isForIdleness(ScalingRun run) {
        var idleAges = run.mixed.idle().ages();
        var used = run.mixed.used();
        return !idleAges.isEmpty()
                && (used.ages().size() < used.size() / 2.0
                        || (used.isEmpty() && run.held.flatMap(Change::loss).isEmpty())
                        || Figures.median(used.ages()) > MUCH_LONGER * Figures.median(idleAges));
    }

    private static String were(int count, String name) {
        return Figures.count(count, name) + (count == 1 ? " was" : " were");
    }

    /// If upgrades that start together are handled one by one, they end at even intervals.
    static Card upgrades(ScalingRun run) {
        var together = atFirstAttempt(run).handshakeMillis().stream().sorted().toList();
        if (together.size() < FEWEST_UPGRADES) {
            return UPGRADES_SERIALISE.cannotTell(
                    "%s opened at the first attempt; this needs %d."
                            .formatted(Figures.count(together.size(), "WebSocket"), FEWEST_UPGRADES),
                    "At least --connections " + FEWEST_UPGRADES + ".");
        }
        var slowest = together.getLast();
        var spread = slowest - together.getFirst();
        var times = "%d upgrades at the same time took %s to %s, one alone %s"
                .formatted(
                        together.size(),
                        Figures.millis(together.getFirst()),
                        Figures.millis(slowest),
                        Figures.millis(Figures.median(run.lone.opened().handshakeMillis())));
        if (spread < LEAST_SPREAD_MILLIS) {
            return UPGRADES_SERIALISE.no(times + ".", "");
        }
        var step = Figures.median(IntStream.range(1, together.size())
                .mapToObj(i -> together.get(i) - together.get(i - 1))
                .toList());
        if (step * (together.size() - 1) < EVEN * spread) {
            return UPGRADES_SERIALISE.no(times + ": spread out, but not one after the other.", "");
        }
        return UPGRADES_SERIALISE.yes(
                times + ": one after the other, " + Figures.millis(step) + " apart.",
                "Open WebSockets early and keep them; give clients an open timeout of "
                        + Figures.seconds(Math.max(LEAST_OPEN_TIMEOUT_SECONDS, 2 * slowest / 1000)) + ".");
    }

    private static Sockets atFirstAttempt(ScalingRun run) {
        return run.alone.opened().that(socket -> socket.refusals.isEmpty());
    }

    /// Whether the requested worker is the one that answers, for requests and upgrades alike.
    static Card affinity(ScalingRun run) {
        if (run.affinity.isEmpty()) {
            return AFFINITY.cannotTell("The mixed test did not get that far.", "");
        }
        var affinity = run.affinity.get();
        var workers = affinity.workers();
        if (workers.isEmpty()) {
            return AFFINITY.cannotTell("No answer has a worker's id (X-Worker-Id or X-Runpod-Worker-Id).", "");
        }
        if (workers.size() == 1) {
            return AFFINITY.cannotTell(
                    "Only one worker was seen, " + workers.first() + ".",
                    "Set min workers to 2, or use more --connections than one worker gets.");
        }
        var requests = affinity.requests();
        var upgrades = affinity.upgrades();
        var because = "There are %d workers. The requested one answered %s; %s; %s."
                .formatted(
                        workers.size(),
                        requests.shown("requests"),
                        affinity.strict().shown("requests, strict"),
                        upgrades.shown("upgrades"));
        if (requests.lost() > 0 || upgrades.lost() > 0) {
            return AFFINITY.no(because, "Clients must not rely on reaching the same worker again.");
        }
        if (requests.held() && upgrades.held()) {
            return AFFINITY.yes(because, "");
        }
        return AFFINITY.cannotTell(
                because + (upgrades.held() ? "" : " The upgrades had no id on their 101, or failed."), "");
    }

    /// What the results mean together, in sentences.
    static List<String> reading(ScalingRun run, List<Card> tests, Map<Question, Card> verdicts) {
        var reading = new ArrayList<String>();
        var polling = tests.get(0).tone();
        var alone = tests.get(1).tone();
        var mixed = tests.get(2).tone();
        if (tests.stream().allMatch(test -> test.tone() == Tone.GOOD)) {
            reading.add("All tests pass: scaling works. If you still see trouble, look at your reverse proxy: it may"
                    + " close idle WebSockets before the worker sees them.");
        }
        if (polling == Tone.BAD) {
            reading.add(
                    "Health checks alone fail: not always is a worker running, or something in front of it answers.");
        }
        if (alone == Tone.BAD) {
            reading.add(whyAlone(run, polling, verdicts));
        }
        if (mixed == Tone.BAD && alone == Tone.GOOD) {
            reading.add(
                    "Requests next to WebSockets fail, but WebSockets alone do not: see the answers of the third test.");
        }
        if (mixed == Tone.OPEN) {
            reading.add("Not all tests were finished, so this is only a part of the picture.");
        }
        return reading;
    }

    private static String whyAlone(ScalingRun run, Tone polling, Map<Question, Card> verdicts) {
        if (run.alone.opened().isEmpty()) {
            return "No WebSocket opens: check the endpoint's id, PORT, and that the endpoint's type is Load Balancer."
                    + " Queue-based endpoints have no WebSockets. A proxy must pass on Upgrade and Connection.";
        }
        if (verdicts.get(PROXY_CLOSES_IDLE).tone() == Tone.BAD) {
            return "The proxy closes idle WebSockets, so the balancer's own scaling is not the problem. Raise the"
                    + " proxy's idle timeout, or have clients ping.";
        }
        if (verdicts.get(IDLE_SOCKET_IN_FLIGHT).tone() == Tone.BAD && polling == Tone.GOOD) {
            return "WebSockets alone fail and HTTP passes: open WebSockets are not counted as work, and workers stop"
                    + " between their messages. Keep one worker (min workers 1), or have the proxy send GET /ping every"
                    + " 30 s.";
        }
        return verdicts.get(SOCKET_CUT).tone() == Tone.BAD
                ? "WebSockets are cut at a certain age, used or not: clients must open new ones."
                : "WebSockets alone fail: see how they ended in the second test.";
    }
}
