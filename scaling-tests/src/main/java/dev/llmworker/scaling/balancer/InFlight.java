package dev.llmworker.scaling.balancer;

import static dev.llmworker.scaling.balancer.Verdict.Finding.CANNOT_TELL;
import static dev.llmworker.scaling.balancer.Verdict.Finding.NO;
import static dev.llmworker.scaling.balancer.Verdict.Finding.YES;

import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;

/// Whether an idle WebSocket counts as in flight. It does if it keeps a worker that stops in silence, brings more
/// workers, or uses up the capacity of one. It does not if its worker is stopped while it is open.
final class InFlight {
    private static final String KEEP_ONE =
            "Keep a worker (min workers 1), or let the proxy send GET /ping more often than the idle timeout.";

    private final QuietControl control;
    private final SocketsTest test;

    InFlight(QuietControl control, SocketsTest test) {
        this.control = control;
        this.test = test;
    }

    Verdict verdict() {
        if (!test.isFinished()) {
            return because(CANNOT_TELL, "The test with WebSockets alone was not finished.", "");
        }
        if (test.sockets().opened().isEmpty()) {
            return because(CANNOT_TELL, "No WebSocket opened.", "");
        }
        var held = Figures.count(test.sockets().opened().size(), "idle WebSocket");
        var time = Figures.seconds(test.heldSeconds());
        if (test.survivors().isEmpty()) {
            return test.loss()
                    .map(reason -> because(
                            NO,
                            "The worker stopped while it held %s, within %s: %s.".formatted(held, time, reason),
                            KEEP_ONE))
                    .orElseGet(() -> because(
                            CANNOT_TELL,
                            "The WebSockets were cut within " + time + " although the worker stayed.",
                            "First find out who cuts them: see the other verdicts."));
        }
        if (someWorkersStopped()) {
            return because(
                    NO,
                    "A worker stopped within " + time + " with the idle WebSockets it held; others stayed.",
                    KEEP_ONE);
        }
        return whileHeld(held, time);
    }

    private Verdict whileHeld(String held, String time) {
        var during = test.during().orElseThrow();
        var grown = during.newSince(test.before().orElseThrow());
        if (control.loss().isPresent()) {
            return because(YES, "With %s the worker stayed for %s; %s.".formatted(held, time, control.sentence()), "");
        }
        if (test.blocked()) {
            return because(
                    YES,
                    "With %s open a request was answered %s after %s; it was not delayed after they were closed."
                            .formatted(
                                    held,
                                    during.first().outcome(),
                                    Figures.millis(during.first().millis())),
                    "Raise the limit of concurrent requests by the number of idle WebSockets.");
        }
        if (grown > 0 && !control.grew()) {
            return because(
                    YES, held + " brought " + Figures.count(grown, "worker") + " more; silence brought none.", "");
        }
        return because(
                CANNOT_TELL,
                control.isFinished()
                        ? "The worker stays with " + held + " and without any: " + control.sentence() + "."
                        : "The worker stayed with " + held + ". What it does without any was not tried.",
                "Set min workers to 0, and --control and --duration longer than the idle timeout.");
    }

    /// Whether the WebSockets that were cut had workers that are no longer seen, while others are.
    private boolean someWorkersStopped() {
        var left = test.sockets().cut().workers();
        var seen = test.during().orElseThrow().workers();
        return !left.isEmpty() && !seen.isEmpty() && left.stream().noneMatch(seen::contains);
    }

    private Verdict because(Verdict.Finding finding, String because, String advice) {
        var figures = Json.object(
                "opened", test.sockets().opened().size(),
                "answered_at_the_end", test.survivors().size(),
                "held_seconds", test.heldSeconds(),
                "worker_lost_with_sockets", test.loss().isPresent(),
                "worker_lost_in_silence", control.isFinished() ? control.loss().isPresent() : null);
        test.before().ifPresent(look -> figures.put("workers_before", look.workers()));
        test.during()
                .ifPresent(look -> figures.putAll(Json.object(
                        "workers_at_the_end", look.workers(),
                        "first_request_millis", look.first().millis(),
                        "first_request", look.first().outcome())));
        return new Verdict(Verdict.Question.IN_FLIGHT, finding, because, advice, figures);
    }
}
