package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.report.Page.Card;
import dev.llmworker.scaling.report.Page.Tone;
import java.util.List;
import java.util.Map;

/// The result of one of the three tests.
record Outcome(String name, State state, String sentence) {
    enum State {
        PASSED,
        FAILED,
        UNFINISHED
    }

    /// @param parts of the sentence; empty ones are left out
    static Outcome of(String name, boolean finished, boolean passed, String... parts) {
        var sentence = String.join(
                "; ", List.of(parts).stream().filter(part -> !part.isEmpty()).toList());
        return new Outcome(name, !finished ? State.UNFINISHED : passed ? State.PASSED : State.FAILED, sentence);
    }

    Card card() {
        return switch (state) {
            case PASSED -> new Card(Tone.GOOD, name, "passed", sentence, "");
            case FAILED -> new Card(Tone.BAD, name, "failed", sentence, "");
            case UNFINISHED -> new Card(Tone.OPEN, name, "not finished", sentence, "");
        };
    }

    Map<String, Object> figures() {
        return Json.object("name", name, "state", state.name().toLowerCase(java.util.Locale.ROOT), "because", sentence);
    }
}
