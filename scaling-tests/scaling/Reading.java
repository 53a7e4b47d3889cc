package scaling;

import java.util.ArrayList;
import java.util.List;

/// What passing and failing mean together, as the seed's README reads them, with what the verdicts add.
record Reading(List<Outcome> outcomes, List<Verdict> verdicts, SocketsTest sockets) {
    List<String> sentences() {
        var reading = new ArrayList<String>();
        var polling = outcomes.get(0).state();
        var alone = outcomes.get(1).state();
        var mixed = outcomes.get(2).state();
        if (outcomes.stream().allMatch(outcome -> outcome.state() == Outcome.State.PASSED)) {
            reading.add(
                    "All tests pass: scaling works. If you still see trouble, look at your reverse proxy: it may close"
                            + " idle WebSockets before the worker sees them.");
        }
        if (polling == Outcome.State.FAILED) {
            reading.add(
                    "Health checks alone fail: no worker is there all the time, or something before it answers for it.");
        }
        if (alone == Outcome.State.FAILED && sockets.sockets().opened().isEmpty()) {
            reading.add(
                    "No WebSocket opens: check the endpoint's id, PORT, and that the endpoint's type is Load Balancer:"
                            + " queue-based ones have no WebSockets. A proxy must pass on Upgrade and Connection.");
        } else if (alone == Outcome.State.FAILED) {
            reading.add(whyAlone(polling));
        }
        if (mixed == Outcome.State.FAILED && alone == Outcome.State.PASSED) {
            reading.add(
                    "Requests beside WebSockets fail where WebSockets alone do not: see the answers of the third test.");
        }
        if (outcomes.stream().anyMatch(outcome -> outcome.state() == Outcome.State.UNFINISHED)) {
            reading.add("Not all tests were finished, so this is a part of the picture.");
        }
        return reading;
    }

    private String whyAlone(Outcome.State polling) {
        if (found(4) == Verdict.Finding.YES) {
            return "The proxy closes idle WebSockets, so the balancer's own scaling is not what fails. Raise the proxy's idle"
                    + " timeout, or have clients ping.";
        }
        if (found(0) == Verdict.Finding.NO && polling == Outcome.State.PASSED) {
            return "WebSockets alone fail and HTTP passes: open WebSockets are not counted as work, and workers go away between"
                    + " their messages. Keep a worker warm (min workers 1), or have the proxy send GET /ping every 30 s.";
        }
        if (found(1) == Verdict.Finding.YES) {
            return "WebSockets are cut at an age, whatever happens on them: clients must open them anew.";
        }
        return "WebSockets alone fail: see their endings in the second test.";
    }

    private Verdict.Finding found(int question) {
        return verdicts.get(question).finding();
    }
}
