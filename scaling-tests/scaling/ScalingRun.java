package scaling;

import java.util.List;
import java.util.Optional;
import report.Progress;

/// The three tests in their order, with the control between, and what was found.
public final class ScalingRun {
    private final Probe probe;
    private final PollingTest polling;
    private final QuietControl control;
    private final SocketsTest sockets;
    private final MixedTest mixed;
    private volatile double warmUpSeconds = Double.NaN;
    private volatile List<client.Answer> warmUp = List.of();
    private volatile Optional<String> stopped = Optional.empty();

    public ScalingRun(ScalingOptions options, Progress progress) {
        probe = Probe.of(options, progress);
        polling = new PollingTest(probe);
        control = new QuietControl(probe);
        sockets = new SocketsTest(probe);
        mixed = new MixedTest(probe);
    }

    /// Runs all, or as far as it comes before the thread is interrupted: what was measured until then stays.
    ///
    /// @throws NoWorkerException when there is no worker to begin with
    public void run() throws NoWorkerException {
        try {
            warmUp = probe.awaitWorker();
            warmUpSeconds = probe.clock().seconds();
            probe.progress().note("a worker answers after " + client.Figures.seconds(warmUpSeconds));
            rest();
        } catch (InterruptedException _) {
            stopped = Optional.of(
                    "interrupted after " + client.Figures.seconds(probe.clock().seconds()));
        }
    }

    private void rest() throws InterruptedException {
        try {
            polling.run();
            control.run();
            sockets.run();
            mixed.run();
        } catch (NoWorkerException e) {
            stopped = Optional.of("no worker came back: " + e.getMessage());
        }
    }

    public boolean passed() {
        return outcomes().stream().allMatch(outcome -> outcome.state() == Outcome.State.PASSED);
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
                new Affinity(mixed).verdict(),
                cuts.proxy());
    }

    /// What the three results together mean.
    List<String> reading() {
        return new Reading(outcomes(), verdicts(), sockets).sentences();
    }

    /// Why not all was run; empty where all was.
    public Optional<String> stopped() {
        return stopped;
    }

    Probe probe() {
        return probe;
    }

    List<client.Answer> warmUp() {
        return warmUp;
    }

    double warmUpSeconds() {
        return warmUpSeconds;
    }

    PollingTest polling() {
        return polling;
    }

    QuietControl control() {
        return control;
    }

    SocketsTest sockets() {
        return sockets;
    }

    MixedTest mixed() {
        return mixed;
    }
}
