package scaling;

import java.util.LinkedHashMap;
import java.util.Map;

/// The answer to one open question about the balancer, and what it rests on.
///
/// @param key names it in the JSON report
/// @param because the reason, with its figures, as a sentence
/// @param advice what to do about it; empty where there is nothing to do
/// @param figures the same figures by name
record Verdict(
        String key,
        String question,
        Finding finding,
        boolean welcome,
        String because,
        String advice,
        Map<String, Object> figures) {
    enum Finding {
        YES("yes"),
        NO("no"),
        CANNOT_TELL("cannot tell");

        final String text;

        Finding(String text) {
            this.text = text;
        }
    }

    /// @param yesIsWelcome whether an operator would like to hear yes
    static Verdict of(Question question, Finding finding, String because, String advice, Map<String, Object> figures) {
        var welcome = finding != Finding.CANNOT_TELL && (finding == Finding.YES) == question.yesIsWelcome;
        return new Verdict(
                question.key, question.text, finding, welcome, because, advice, new LinkedHashMap<>(figures));
    }

    enum Question {
        IN_FLIGHT("idle_socket_in_flight", "Does an idle WebSocket count as in flight?", true),
        CUT("socket_cut", "Is a WebSocket cut, and when?", false),
        UPGRADES("upgrades_serialise", "Do concurrent upgrades wait for each other?", false),
        AFFINITY("affinity", "Does affinity hold (X-Runpod-Worker-Id)?", true),
        PROXY("proxy_closes_idle", "Does the proxy close idle WebSockets?", false);

        private final String key;
        private final String text;
        private final boolean yesIsWelcome;

        Question(String key, String text, boolean yesIsWelcome) {
            this.key = key;
            this.text = text;
            this.yesIsWelcome = yesIsWelcome;
        }
    }
}
