package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Answer;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.NoServerException;
import java.util.List;
import java.util.Optional;

/// The three tests in their order, with the control after the first.
final class ScalingRun {
    final Probe probe;
    final PollingTest polling;
    final QuietControl control;
    final SocketsTest sockets;
    final MixedTest mixed;
    double warmUpSeconds = Double.NaN;
    List<Answer> warmUp = List.of();
    /// Why the run ended early; empty if it did not.
    Optional<String> stopped = Optional.empty();

    ScalingRun(Probe probe) {
        this.probe = probe;
        polling = new PollingTest(probe);
        control = new QuietControl(probe);
        sockets = new SocketsTest(probe);
        mixed = new MixedTest(probe);
    }

    /// Runs everything, or as much as it can before the thread is interrupted.
    ///
    /// @throws NoServerException if there is no worker to begin with
    void run() throws NoServerException {
        try {
            warmUp = probe.awaitWorker();
            warmUpSeconds = probe.now();
            probe.progress().note("a worker answers after " + Figures.seconds(warmUpSeconds));
            runTests();
        } catch (InterruptedException _) {
            stopped = Optional.of("interrupted after " + Figures.seconds(probe.now()));
        }
    }

    private void runTests() throws InterruptedException {
        try {
            polling.run();
            control.run();
            sockets.run();
            mixed.run();
        } catch (NoServerException e) {
            stopped = Optional.of("no worker came back: " + e.getMessage());
        }
    }

    List<Outcome> outcomes() {
        return List.of(polling.outcome(), sockets.outcome(), mixed.outcome());
    }

    List<Verdict> verdicts() {
        var cuts = new Cuts(sockets, mixed);
        return List.of(
                new InFlight(control, sockets).verdict(),
                cuts.cut(),
                new Upgrades(sockets).verdict(),
                Affinity.verdict(mixed.affinity()),
                cuts.proxy());
    }
}
