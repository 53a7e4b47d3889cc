package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Figures;
import java.util.Optional;

/// The control: no request is sent and no WebSocket is open. Idle WebSockets count only if they make a difference to
/// what the workers do then.
final class QuietControl {
    private static final double STEP_SECONDS = 0.1;

    private final Probe probe;
    private Optional<Look> before = Optional.empty();
    private Optional<Look> after = Optional.empty();

    QuietControl(Probe probe) {
        this.probe = probe;
    }

    void run() throws InterruptedException {
        var seconds = probe.options().control;
        if (seconds == 0) {
            return;
        }
        // A worker that counts this request, and later counts from zero, was started again.
        probe.client().post("/generate", Probe.PROMPT);
        before = Optional.of(probe.look());
        probe.progress().begin("  control: silence");
        probe.repeat(
                seconds,
                STEP_SECONDS,
                () -> true,
                passed -> probe.progress().update(passed / seconds, "%.0f of %.0f s".formatted(passed, seconds)));
        after = Optional.of(probe.look());
        probe.progress().end(sentence());
    }

    boolean isFinished() {
        return after.isPresent();
    }

    /// Why the workers must have stopped in the silence; empty if they stayed, or if there was no control.
    Optional<String> loss() {
        return after.flatMap(look -> look.lossSince(before.orElseThrow()));
    }

    boolean grew() {
        return after.filter(look -> look.newSince(before.orElseThrow()) > 0).isPresent();
    }

    String sentence() {
        var silence = "after " + Figures.seconds(probe.options().control) + " without a request ";
        return !isFinished()
                ? "not run"
                : silence
                        + loss().map(reason -> "no worker was ready: " + reason).orElse("the worker was still there");
    }
}
