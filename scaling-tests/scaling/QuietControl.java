package scaling;

import client.Figures;
import java.util.Optional;

/// The control: nothing is sent and nothing held. What the workers do then, idle sockets must change, to count.
final class QuietControl {
    private final Probe probe;
    private volatile Optional<Look> before = Optional.empty();
    private volatile Optional<Look> after = Optional.empty();

    QuietControl(Probe probe) {
        this.probe = probe;
    }

    void run() throws InterruptedException {
        var seconds = probe.options().control().toMillis() / 1000.0;
        if (seconds == 0) {
            return;
        }
        // A worker that counts it, and then counts from zero, was started anew.
        probe.calls().post("/generate", MixedTest.REQUEST);
        before = Optional.of(probe.look());
        probe.progress().begin("  control: nothing at all");
        var begin = probe.clock().seconds();
        for (var passed = 0.0; passed < seconds; passed = probe.clock().seconds() - begin) {
            probe.progress().update(passed / seconds, "%.0f of %.0f s".formatted(passed, seconds));
            Thread.sleep((long) Math.min(100, (seconds - passed) * 1000 + 1));
        }
        after = Optional.of(probe.look());
        probe.progress().end(sentence());
    }

    boolean isFinished() {
        return after.isPresent();
    }

    /// Why the workers must have gone in the silence; empty where they stayed, or the control was not run.
    Optional<String> loss() {
        return after.flatMap(look -> look.lossSince(before.orElseThrow()));
    }

    boolean grew() {
        return after.filter(look -> look.newSince(before.orElseThrow()) > 0).isPresent();
    }

    String sentence() {
        var seconds = Figures.seconds(probe.options().control().toMillis() / 1000.0);
        return !isFinished()
                ? "not run"
                : loss().map(reason -> "after " + seconds + " without a request no worker was ready: " + reason)
                        .orElse("after " + seconds + " without a request the worker was still there");
    }
}
