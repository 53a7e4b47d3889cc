package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.report.Page.Card;
import dev.llmworker.scaling.report.Page.Tone;
import java.util.Map;

/// The answer to one open question about the balancer.
///
/// @param because the reason, with its figures, as a sentence
/// @param advice what to do about it; empty for nothing
/// @param figures the same figures by name
record Verdict(Question question, Finding finding, String because, String advice, Map<String, Object> figures) {
    enum Finding {
        YES("yes"),
        NO("no"),
        CANNOT_TELL("cannot tell");

        final String text;

        Finding(String text) {
            this.text = text;
        }
    }

    enum Question {
        IN_FLIGHT("idle_socket_in_flight", "Does an idle WebSocket count as in flight?", Finding.YES),
        CUT("socket_cut", "Is a WebSocket cut, and when?", Finding.NO),
        UPGRADES("upgrades_serialise", "Do concurrent upgrades wait for each other?", Finding.NO),
        AFFINITY("affinity", "Does affinity hold (X-Runpod-Worker-Id)?", Finding.YES),
        PROXY("proxy_closes_idle", "Does the proxy close idle WebSockets?", Finding.NO);

        final String key;
        final String text;
        private final Finding welcome;

        Question(String key, String text, Finding welcome) {
            this.key = key;
            this.text = text;
            this.welcome = welcome;
        }
    }

    Card card() {
        var tone = finding == Finding.CANNOT_TELL ? Tone.OPEN : finding == question.welcome ? Tone.GOOD : Tone.BAD;
        return new Card(tone, question.text, finding.text, because, advice);
    }

    Map<String, Object> json() {
        return Json.object(
                "question", question.text,
                "answer", finding.text,
                "because", because,
                "advice", advice,
                "figures", figures);
    }
}
