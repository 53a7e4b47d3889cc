package dev.llmworker.scaling;

import static dev.llmworker.scaling.Figures.count;
import static dev.llmworker.scaling.Figures.median;
import static dev.llmworker.scaling.Figures.millis;
import static dev.llmworker.scaling.Figures.range;
import static dev.llmworker.scaling.Figures.seconds;

import dev.llmworker.scaling.Client.Answer;
import dev.llmworker.scaling.Look.Change;
import dev.llmworker.scaling.Report.Card;
import dev.llmworker.scaling.Report.Tone;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The results of the tests, and the answers to the open questions, from what was measured.
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

    static Card polling(ScalingRun run) {
        var healthy = run.polls.stream().filter(Answer::isOk).count();
        var median = median(run.polls.stream().map(Answer::millis).toList());
        return outcome(
                "HTTP polling alone",
                run.finishedTests >= 1,
                healthy == run.polls.size(),
                healthy + " of " + count(run.polls.size(), "health check") + " healthy, median " + millis(median),
                failures(run.polls));
    }

    static Card alone(ScalingRun run) {
        var sockets = run.alone;
        var alive = sockets.survivors().size();
        var answered = alive + " answered after " + seconds(run.aloneSeconds) + " of silence";
        return outcome(
                "WebSockets alone",
                run.finishedTests >= 2,
                alive == sockets.size(),
                sockets.opened().size() + " of " + count(sockets.size(), "WebSocket") + " opened, " + answered,
                sockets.cuts().isEmpty() ? "" : sockets.endings() + ", after " + range(sockets.ages()),
                sockets.refusals());
    }

    static Card mixed(ScalingRun run) {
        var sockets = run.mixed;
        var served = run.posts.stream().filter(Answer::isOk).count();
        var alive = sockets.survivors().size();
        return outcome(
                "HTTP and WebSockets mixed",
                run.finishedTests >= 3,
                served == run.posts.size() && alive == sockets.size(),
                served + " of " + count(run.posts.size(), "request") + " answered",
                alive + " of " + count(sockets.size(), "WebSocket") + " alive after " + seconds(run.mixedSeconds),
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
        var tone = !isFinished ? Tone.OPEN : isPassed ? Tone.GOOD : Tone.BAD;
        return new Card(tone, name, !isFinished ? "unfinished" : isPassed ? "passed" : "failed", because, "");
    }

    /// An idle WebSocket counts if it keeps a worker that stops in silence, brings more workers, or uses up the
    /// capacity of one. It does not if its worker is stopped while it is open.
    static Card inFlight(Question asked, ScalingRun run) {
        if (run.finishedTests < 2) {
            return asked.cannotTell("The test with WebSockets alone was not finished.", "");
        }
        if (run.alone.opened().isEmpty()) {
            return asked.cannotTell("No WebSocket opened.", "");
        }
        var held = count(run.alone.opened().size(), "idle WebSocket");
        var time = seconds(run.aloneSeconds);
        var change = run.held.orElseThrow();
        if (run.alone.survivors().isEmpty()) {
            return change.loss()
                    .map(reason -> asked.no(
                            "The worker stopped while it held " + held + ", within " + time + ": " + reason + ".",
                            KEEP_ONE))
                    .orElseGet(() -> asked.cannotTell(
                            "The WebSockets were cut within " + time + " although the worker stayed.",
                            "First find out who cuts them: see the other verdicts."));
        }
        // Whether the WebSockets that were cut had workers that are no longer seen, while others are.
        var left = run.alone.that(socket -> socket.cut().isPresent()).workers();
        var seen = change.after().workers();
        if (!left.isEmpty() && !seen.isEmpty() && left.stream().noneMatch(seen::contains)) {
            return asked.no("A worker stopped within " + time + " with its idle WebSockets; others stayed.", KEEP_ONE);
        }
        return whileHeld(asked, run, change, held);
    }

    private static Card whileHeld(Question asked, ScalingRun run, Change change, String held) {
        var silence = run.silence;
        if (silence.flatMap(Change::loss).isPresent()) {
            var stayed = "With " + held + " the worker stayed for " + seconds(run.aloneSeconds);
            return asked.yes(stayed + "; " + run.silenceSentence() + ".", "");
        }
        if (change.wasBlockedUntil(run.afterClose)) {
            var first = change.after().first();
            return asked.yes(
                    "With %s open a request was answered %s after %s; it was not delayed after they were closed."
                            .formatted(held, first.outcome(), millis(first.millis())),
                    "Raise the limit of concurrent requests by the number of idle WebSockets.");
        }
        if (change.grown() > 0 && silence.map(Change::grown).orElse(0L) == 0) {
            return asked.yes(held + " brought " + count(change.grown(), "worker") + " more; silence brought none.", "");
        }
        return asked.cannotTell(
                silence.isPresent()
                        ? "The worker stays with " + held + " and without any: " + run.silenceSentence() + "."
                        : "The worker stayed with " + held + ". What it does without any was not tried.",
                "Set min workers to 0, and --control and --duration longer than the idle timeout.");
    }

    static Card cut(Question asked, ScalingRun run) {
        var opened = run.mixed.opened();
        var all = count(opened.size(), "WebSocket");
        if (opened.isEmpty() && run.alone.opened().isEmpty()) {
            return asked.cannotTell("No WebSocket opened.", "");
        }
        if (isForIdleness(run)) {
            var used = run.mixed.used();
            var fateOfUsed = used.cuts().isEmpty()
                    ? "used ones were not."
                    : "used ones lived longer; " + used.cuts().size() + " were cut after " + range(used.ages()) + ".";
            return asked.yes(idleCuts(run) + " (" + run.mixed.idle().endings() + "); " + fateOfUsed, "");
        }
        if (!opened.cuts().isEmpty()) {
            return asked.yes(
                    "%d of %s were cut at an age of %s, used or not (%s)."
                            .formatted(opened.cuts().size(), all, range(opened.ages()), opened.endings()),
                    "Clients must open a new WebSocket then; end each generation before (REQUEST_TIMEOUT).");
        }
        if (run.finishedTests < 3) {
            return asked.cannotTell("The mixed test was not finished.", "");
        }
        var time = seconds(Math.max(run.aloneSeconds, run.mixedSeconds));
        return asked.no(
                "None of " + all + " was cut within " + time + " while a worker was running.",
                run.mixedSeconds > PLATFORM_SECONDS ? "" : "--duration 340 would show a cut at RunPod's 330 s.");
    }

    static Card proxy(Question asked, ScalingRun run) {
        var idle = run.mixed.idle();
        if (isForIdleness(run)) {
            return asked.yes(
                    "The worker was running and used WebSockets lived on, but " + idleCuts(run) + ".",
                    "Raise the proxy's idle timeout (see proxies/), or send a WebSocket ping more often.");
        }
        if (run.finishedTests < 3) {
            return asked.cannotTell("The mixed test was not finished.", "");
        }
        if (idle.isEmpty()) {
            return asked.cannotTell(
                    "No idle WebSocket was open next to the requests.",
                    run.mixed.size() < 2 ? "At least --connections 2." : "");
        }
        var all = count(idle.size(), "idle WebSocket");
        return asked.no(
                idle.cuts().isEmpty()
                        ? all + " lived through " + seconds(run.mixedSeconds) + " without a frame."
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
                        || median(used.ages()) > MUCH_LONGER * median(idleAges));
    }

    private static String idleCuts(ScalingRun run) {
        var idle = run.mixed.idle();
        var were = count(idle.cuts().size(), "idle WebSocket") + (idle.cuts().size() == 1 ? " was" : " were");
        return were + " cut after " + range(idle.idleTimes()) + " without a frame";
    }

    /// If upgrades that start together are handled one by one, they end at even intervals.
    static Card upgrades(Question asked, ScalingRun run) {
        var sorted = run.alone.opened().that(socket -> socket.refusals.isEmpty()).handshakeMillis().stream()
                .sorted()
                .toList();
        if (sorted.size() < FEWEST_UPGRADES) {
            return asked.cannotTell(
                    count(sorted.size(), "WebSocket") + " opened at the first attempt.",
                    "At least --connections " + FEWEST_UPGRADES + ".");
        }
        var slowest = sorted.getLast();
        var spread = slowest - sorted.getFirst();
        var times = "%d upgrades at the same time took %s to %s"
                .formatted(sorted.size(), millis(sorted.getFirst()), millis(slowest));
        if (spread < LEAST_SPREAD_MILLIS) {
            return asked.no(times + ".", "");
        }
        var step = median(IntStream.range(1, sorted.size())
                .mapToObj(i -> sorted.get(i) - sorted.get(i - 1))
                .toList());
        if (step * (sorted.size() - 1) < EVEN * spread) {
            return asked.no(times + ": spread out, but not one after the other.", "");
        }
        var openTimeout = seconds(Math.max(LEAST_OPEN_TIMEOUT_SECONDS, 2 * slowest / 1000));
        return asked.yes(
                times + ": one after the other, " + millis(step) + " apart.",
                "Open WebSockets early and keep them; give clients an open timeout of " + openTimeout + ".");
    }

    /// Whether the requested worker is the one that answers, for requests and upgrades alike.
    static Card affinity(Question asked, ScalingRun run) {
        if (run.affinity.isEmpty()) {
            return asked.cannotTell("The mixed test did not get that far.", "");
        }
        var affinity = run.affinity.get();
        var workers = affinity.workers();
        if (workers.isEmpty()) {
            return asked.cannotTell("No answer has a worker's id (X-Worker-Id or X-Runpod-Worker-Id).", "");
        }
        if (workers.size() == 1) {
            return asked.cannotTell(
                    "Only one worker was seen, " + workers.first() + ".",
                    "Set min workers to 2, or use more --connections than one worker gets.");
        }
        var requests = affinity.requests();
        var upgrades = affinity.upgrades();
        var because = "There are %d workers. The requested one answered %s requests, %s requests (strict), %s upgrades."
                .formatted(workers.size(), requests.shown(), affinity.strict().shown(), upgrades.shown());
        if (requests.lost() > 0 || upgrades.lost() > 0) {
            return asked.no(because, "Clients must not rely on reaching the same worker again.");
        }
        return requests.kept() > 0 && upgrades.kept() > 0
                ? asked.yes(because, "")
                : asked.cannotTell(because + " The others had no id on their answer, or failed.", "");
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
            reading.add("Health checks fail: not always is a worker running, or something in front of it answers.");
        }
        if (alone == Tone.BAD) {
            reading.add(whyAlone(run, polling, verdicts));
        }
        if (mixed == Tone.BAD && alone == Tone.GOOD) {
            reading.add("Only requests next to WebSockets fail: see the answers of the third test.");
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
        if (verdicts.get(Question.PROXY_CLOSES_IDLE).tone() == Tone.BAD) {
            return "The proxy closes idle WebSockets, so the balancer's own scaling is not the problem. Raise the"
                    + " proxy's idle timeout, or have clients ping.";
        }
        if (verdicts.get(Question.IDLE_SOCKET_IN_FLIGHT).tone() == Tone.BAD && polling == Tone.GOOD) {
            return "WebSockets alone fail and HTTP passes: open WebSockets are not counted as work, and workers stop"
                    + " between their messages. " + KEEP_ONE;
        }
        return verdicts.get(Question.SOCKET_CUT).tone() == Tone.BAD
                ? "WebSockets are cut at a certain age, used or not: clients must open new ones."
                : "WebSockets alone fail: see how they ended in the second test.";
    }
}
