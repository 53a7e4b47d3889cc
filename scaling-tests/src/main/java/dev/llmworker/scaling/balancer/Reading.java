package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.balancer.Outcome.State;
import dev.llmworker.scaling.balancer.Verdict.Finding;
import dev.llmworker.scaling.balancer.Verdict.Question;
import java.util.ArrayList;
import java.util.List;

/// What the three results mean together.
record Reading(List<Outcome> outcomes, List<Verdict> verdicts, Sockets sockets) {
    List<String> sentences() {
        var reading = new ArrayList<String>();
        var polling = outcomes.get(0).state();
        var alone = outcomes.get(1).state();
        var mixed = outcomes.get(2).state();
        if (outcomes.stream().allMatch(outcome -> outcome.state() == State.PASSED)) {
            reading.add(
                    "All tests pass: scaling works. If you still see trouble, look at your reverse proxy: it may close"
                            + " idle WebSockets before the worker sees them.");
        }
        if (polling == State.FAILED) {
            reading.add(
                    "Health checks alone fail: not always is a worker running, or something in front of it answers.");
        }
        if (alone == State.FAILED) {
            reading.add(whyAlone(polling));
        }
        if (mixed == State.FAILED && alone == State.PASSED) {
            reading.add(
                    "Requests next to WebSockets fail, but WebSockets alone do not: see the answers of the third test.");
        }
        if (outcomes.stream().anyMatch(outcome -> outcome.state() == State.UNFINISHED)) {
            reading.add("Not all tests were finished, so this is only a part of the picture.");
        }
        return reading;
    }

    private String whyAlone(State polling) {
        if (sockets.opened().isEmpty()) {
            return "No WebSocket opens: check the endpoint's id, PORT, and that the endpoint's type is Load Balancer."
                    + " Queue-based endpoints have no WebSockets. A proxy must pass on Upgrade and Connection.";
        }
        if (is(Question.PROXY, Finding.YES)) {
            return "The proxy closes idle WebSockets, so the balancer's own scaling is not the problem. Raise the proxy's"
                    + " idle timeout, or have clients ping.";
        }
        if (is(Question.IN_FLIGHT, Finding.NO) && polling == State.PASSED) {
            return "WebSockets alone fail and HTTP passes: open WebSockets are not counted as work, and workers stop"
                    + " between their messages. Keep one worker (min workers 1), or have the proxy send GET /ping every 30 s.";
        }
        return is(Question.CUT, Finding.YES)
                ? "WebSockets are cut at a certain age, used or not: clients must open new ones."
                : "WebSockets alone fail: see how they ended in the second test.";
    }

    private boolean is(Question question, Finding finding) {
        return verdicts.stream().anyMatch(verdict -> verdict.question() == question && verdict.finding() == finding);
    }
}
