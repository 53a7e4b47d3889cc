package scaling;

import static scaling.Verdict.Finding.CANNOT_TELL;
import static scaling.Verdict.Finding.NO;
import static scaling.Verdict.Finding.YES;

import client.Figures;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Whether WebSockets are cut, when, and whether for being idle. In the mixed test a worker is kept busy by requests,
/// and
/// WebSockets that are used live beside WebSockets that are not: only these cut is an idle timeout, both at one age is
/// a
/// limit on their life.
final class Cuts {
    private static final double PLATFORM_SECONDS = 330;
    /// Idle sockets are cut for being idle when the used ones live this much longer, or all of the time.
    private static final double MUCH_LONGER = 1.5;

    private final SocketsTest alone;
    private final MixedTest mixed;

    Cuts(SocketsTest alone, MixedTest mixed) {
        this.alone = alone;
        this.mixed = mixed;
    }

    Verdict cut() {
        var time = Figures.seconds(Math.max(alone.heldSeconds(), mixed.heldSeconds()));
        if (mixed.sockets().opened().isEmpty() && alone.sockets().opened().isEmpty()) {
            return told(Verdict.Question.CUT, CANNOT_TELL, "No WebSocket opened.", "");
        }
        if (forIdleness()) {
            var cuts = idleCuts();
            return told(
                    Verdict.Question.CUT,
                    YES,
                    "%s after %s without a frame (%s); those in use %s."
                            .formatted(
                                    capital(Figures.count(cuts.size(), "idle WebSocket")
                                            + (cuts.size() == 1 ? " was cut" : " were cut")),
                                    Sockets.range(cuts.cuts()
                                            .map(HeldSocket.Cut::idle)
                                            .toList()),
                                    cuts.endings(),
                                    fateOfUsed()),
                    "");
        }
        var cuts = mixed.sockets().opened().cut();
        if (!cuts.isEmpty()) {
            return told(
                    Verdict.Question.CUT,
                    YES,
                    "%d of %s were cut at an age of %s, used or not (%s)."
                            .formatted(
                                    cuts.size(),
                                    Figures.count(mixed.sockets().opened().size(), "WebSocket"),
                                    Sockets.range(
                                            cuts.cuts().map(HeldSocket.Cut::age).toList()),
                                    cuts.endings()),
                    "Clients must open a new WebSocket then; end each generation before (REQUEST_TIMEOUT).");
        }
        if (!mixed.isFinished()) {
            return told(Verdict.Question.CUT, CANNOT_TELL, "The mixed test was not finished.", "");
        }
        var long_ = mixed.heldSeconds() > PLATFORM_SECONDS;
        return told(
                Verdict.Question.CUT,
                NO,
                "None of %s was cut within %s while a worker was there."
                        .formatted(Figures.count(mixed.sockets().opened().size(), "WebSocket"), time),
                long_ ? "" : "--duration 340 would show a cut at RunPod's 330 s.");
    }

    Verdict proxy() {
        if (forIdleness()) {
            var cuts = idleCuts();
            return told(
                    Verdict.Question.PROXY,
                    YES,
                    "The worker was there and WebSockets in use lived on, while %s without a frame %s cut after %s."
                            .formatted(
                                    cuts.size(),
                                    cuts.size() == 1 ? "was" : "were",
                                    Sockets.range(cuts.cuts()
                                            .map(HeldSocket.Cut::idle)
                                            .toList())),
                    "Raise the proxy's idle timeout (see proxies/), or send a WebSocket ping more often.");
        }
        if (!mixed.isFinished() || mixed.silent().isEmpty()) {
            return told(
                    Verdict.Question.PROXY,
                    CANNOT_TELL,
                    mixed.isFinished()
                            ? "No idle WebSocket was open beside the requests."
                            : "The mixed test was not finished.",
                    mixed.sockets().size() < 2 ? "At least --connections 2." : "");
        }
        var cut = mixed.silent().cut();
        return told(
                Verdict.Question.PROXY,
                NO,
                cut.isEmpty()
                        ? "%s lived through %s without a frame."
                                .formatted(
                                        Figures.count(mixed.silent().size(), "idle WebSocket"),
                                        Figures.seconds(mixed.heldSeconds()))
                        : "Idle WebSockets were cut at the same age as those in use.",
                "");
    }

    private boolean forIdleness() {
        var silentCuts = mixed.silent().cut();
        if (silentCuts.isEmpty()) {
            return false;
        }
        var usedAges = ages(mixed.used().cut());
        return usedAges.size() < mixed.used().size() / 2.0
                || (mixed.used().isEmpty() && alone.loss().isEmpty())
                || Figures.median(usedAges) > MUCH_LONGER * Figures.median(ages(silentCuts));
    }

    private String fateOfUsed() {
        var cut = mixed.used().cut();
        return cut.isEmpty()
                ? "were not"
                : "lived longer, though " + cut.size() + " of them were cut too, at an age of "
                        + Sockets.range(ages(cut));
    }

    private Sockets idleCuts() {
        return mixed.silent().cut();
    }

    private static List<Double> ages(Sockets sockets) {
        return sockets.cuts().map(HeldSocket.Cut::age).toList();
    }

    private Verdict told(Verdict.Question question, Verdict.Finding finding, String because, String advice) {
        var figures = new LinkedHashMap<String, Object>();
        figures.put("held_seconds", mixed.heldSeconds());
        figures.put("idle", group(mixed.silent()));
        figures.put("used", group(mixed.used()));
        figures.put("alone", group(alone.sockets().opened()));
        return Verdict.of(question, finding, because, advice, figures);
    }

    private static Map<String, Object> group(Sockets sockets) {
        var group = new LinkedHashMap<String, Object>();
        group.put("opened", sockets.size());
        group.put("cut", sockets.cut().size());
        if (!sockets.cut().isEmpty()) {
            group.put("median_age_seconds", Figures.median(ages(sockets)));
            group.put(
                    "median_idle_seconds",
                    Figures.median(sockets.cuts().map(HeldSocket.Cut::idle).toList()));
            group.put("how", sockets.endings());
        }
        return group;
    }

    private static String capital(String text) {
        return text.substring(0, 1).toUpperCase(java.util.Locale.ROOT) + text.substring(1);
    }
}
