package scaling;

import static scaling.Verdict.Finding.CANNOT_TELL;
import static scaling.Verdict.Finding.NO;
import static scaling.Verdict.Finding.YES;

import client.Figures;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Whether upgrades that are asked for together are let through one by one: then they end on even steps.
final class Upgrades {
    private static final int FEWEST = 4;
    /// Below it, upgrades may as well be waiting for a processor; and nobody would mind.
    private static final double LEAST_SPREAD_MILLIS = 1000;
    private static final double EVEN = 0.5;

    private final List<Double> together;
    private final List<Double> lone;

    Upgrades(SocketsTest test) {
        this(
                test.sockets()
                        .opened()
                        .that(socket -> socket.refusals().isEmpty())
                        .handshakeMillis(),
                test.lone().stream()
                        .filter(HeldSocket::wasOpened)
                        .map(HeldSocket::handshakeMillis)
                        .toList());
    }

    Upgrades(List<Double> togetherMillis, List<Double> loneMillis) {
        together = togetherMillis.stream().sorted().toList();
        lone = loneMillis;
    }

    Verdict verdict() {
        if (together.size() < FEWEST) {
            return told(
                    CANNOT_TELL,
                    Figures.count(together.size(), "WebSocket") + " opened at the first try; it takes " + FEWEST + ".",
                    "At least --connections " + FEWEST + ".");
        }
        var spread = together.getLast() - together.getFirst();
        var times = "%d upgrades at once took %s to %s, one alone %s"
                .formatted(
                        together.size(),
                        Figures.millis(together.getFirst()),
                        Figures.millis(together.getLast()),
                        Figures.millis(Figures.median(lone)));
        if (spread < LEAST_SPREAD_MILLIS) {
            return told(NO, times + ".", "");
        }
        if (isStaircase(spread)) {
            return told(
                    YES,
                    times + ": one after the other, " + Figures.millis(medianStep()) + " apart.",
                    "Open WebSockets early and keep them; give clients an open timeout of "
                            + Figures.seconds(Math.max(60, 2 * together.getLast() / 1000)) + ".");
        }
        return told(NO, times + ": spread out, but not one after the other.", "");
    }

    /// Whether most of the spread is in steps of one size.
    private boolean isStaircase(double spread) {
        return medianStep() * (together.size() - 1) >= EVEN * spread;
    }

    private double medianStep() {
        var steps = new ArrayList<Double>();
        for (var i = 1; i < together.size(); i++) {
            steps.add(together.get(i) - together.get(i - 1));
        }
        return Figures.median(steps);
    }

    private Verdict told(Verdict.Finding finding, String because, String advice) {
        var figures = new LinkedHashMap<String, Object>(Map.of("together_millis", together, "alone_millis", lone));
        return Verdict.of(Verdict.Question.UPGRADES, finding, because, advice, figures);
    }
}
