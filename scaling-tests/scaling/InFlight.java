package scaling;

import static scaling.Verdict.Finding.CANNOT_TELL;
import static scaling.Verdict.Finding.NO;
import static scaling.Verdict.Finding.YES;

import client.Figures;
import java.util.LinkedHashMap;
import java.util.stream.Collectors;

/// Whether an idle WebSocket counts as in flight: it does when it keeps a worker that silence loses, brings more of
/// them,
/// or fills the one there is; it does not when its worker is stopped under it.
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
            return told(CANNOT_TELL, "The test with WebSockets alone was not finished.", "");
        }
        if (test.sockets().opened().isEmpty()) {
            return told(CANNOT_TELL, "No WebSocket opened.", "");
        }
        var held = Figures.count(test.sockets().opened().size(), "idle WebSocket");
        var time = Figures.seconds(test.heldSeconds());
        if (test.survivors().isEmpty()) {
            return test.loss()
                    .map(reason -> told(
                            NO,
                            "The worker went while it held " + held + ", within " + time + ": " + reason + ".",
                            KEEP_ONE))
                    .orElseGet(() -> told(
                            CANNOT_TELL,
                            "The WebSockets were cut within " + time
                                    + " though the worker stayed, so nothing was held for long.",
                            "Find out first who cuts them: see the other verdicts."));
        }
        if (someWorkersStopped()) {
            return told(
                    NO, "A worker went within " + time + " with the idle WebSockets it held; others stayed.", KEEP_ONE);
        }
        return whileHeld(held, time);
    }

    private Verdict whileHeld(String held, String time) {
        var grown = test.during().orElseThrow().newSince(test.before().orElseThrow());
        if (control.loss().isPresent()) {
            return told(YES, "With " + held + " the worker stayed for " + time + "; " + control.sentence() + ".", "");
        }
        if (test.blocked()) {
            return told(
                    YES,
                    "With " + held + " open a request was answered "
                            + test.during().orElseThrow().first().outcome()
                            + " after "
                            + Figures.millis(test.during().orElseThrow().first().millis())
                            + "; with them closed it was not held up.",
                    "Raise the limit of concurrent requests by the number of idle WebSockets.");
        }
        if (grown > 0 && !control.grew()) {
            return told(YES, held + " brought " + Figures.count(grown, "worker") + " more; silence brought none.", "");
        }
        return told(
                CANNOT_TELL,
                control.isFinished()
                        ? "The worker stayed with " + held + " and stays without any: " + control.sentence() + "."
                        : "The worker stayed with " + held + ", and what it does without any was not tried.",
                "Set min workers to 0, and --control and --duration longer than the idle timeout.");
    }

    /// Whether the sockets that were cut had workers that are not seen any more, while others are.
    private boolean someWorkersStopped() {
        var left = test.sockets().opened().cut().all().stream()
                .map(HeldSocket::worker)
                .filter(id -> !id.isEmpty())
                .collect(Collectors.toSet());
        var seen = test.during().orElseThrow().workers();
        return !left.isEmpty() && !seen.isEmpty() && left.stream().noneMatch(seen::contains);
    }

    private Verdict told(Verdict.Finding finding, String because, String advice) {
        var figures = new LinkedHashMap<String, Object>();
        figures.put("opened", test.sockets().opened().size());
        figures.put("answered_at_the_end", test.survivors().size());
        figures.put("held_seconds", test.heldSeconds());
        figures.put("worker_lost_with_sockets", test.loss().isPresent());
        figures.put(
                "worker_lost_in_silence", control.isFinished() ? control.loss().isPresent() : null);
        test.before().ifPresent(look -> figures.put("workers_before", look.workers()));
        test.during().ifPresent(look -> {
            figures.put("workers_at_the_end", look.workers());
            figures.put("first_request_millis", look.first().millis());
            figures.put("first_request", look.first().outcome());
        });
        return Verdict.of(Verdict.Question.IN_FLIGHT, finding, because, advice, figures);
    }
}
