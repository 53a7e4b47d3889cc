package dev.llmworker.scaling.balancer;

import static dev.llmworker.scaling.balancer.Verdict.Finding.CANNOT_TELL;
import static dev.llmworker.scaling.balancer.Verdict.Finding.NO;
import static dev.llmworker.scaling.balancer.Verdict.Finding.YES;

import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import java.util.List;
import java.util.stream.IntStream;

/// Whether upgrades that start together are handled one by one. If so, they end at even intervals.
final class Upgrades {
    private static final int FEWEST = 4;
    /// A smaller spread may come from waiting for a processor, and disturbs nobody.
    private static final double LEAST_SPREAD_MILLIS = 1000;
    /// The share of the spread that steps of the median size must make up.
    private static final double EVEN = 0.5;

    private final List<Double> together;
    private final List<Double> lone;

    Upgrades(SocketsTest test) {
        together = test.sockets().opened().that(socket -> socket.refusals().isEmpty()).handshakeMillis().stream()
                .sorted()
                .toList();
        lone = test.lone().opened().handshakeMillis();
    }

    Verdict verdict() {
        if (together.size() < FEWEST) {
            return because(
                    CANNOT_TELL,
                    Figures.count(together.size(), "WebSocket") + " opened at the first attempt; this needs " + FEWEST
                            + ".",
                    "At least --connections " + FEWEST + ".");
        }
        var slowest = together.getLast();
        var spread = slowest - together.getFirst();
        var times = "%d upgrades at the same time took %s to %s, one alone %s"
                .formatted(
                        together.size(),
                        Figures.millis(together.getFirst()),
                        Figures.millis(slowest),
                        Figures.millis(Figures.median(lone)));
        if (spread < LEAST_SPREAD_MILLIS) {
            return because(NO, times + ".", "");
        }
        var step = Figures.median(IntStream.range(1, together.size())
                .mapToObj(i -> together.get(i) - together.get(i - 1))
                .toList());
        if (step * (together.size() - 1) < EVEN * spread) {
            return because(NO, times + ": spread out, but not one after the other.", "");
        }
        return because(
                YES,
                times + ": one after the other, " + Figures.millis(step) + " apart.",
                "Open WebSockets early and keep them; give clients an open timeout of "
                        + Figures.seconds(Math.max(60, 2 * slowest / 1000)) + ".");
    }

    private Verdict because(Verdict.Finding finding, String because, String advice) {
        var figures = Json.object("together_millis", together, "alone_millis", lone);
        return new Verdict(Verdict.Question.UPGRADES, finding, because, advice, figures);
    }
}
