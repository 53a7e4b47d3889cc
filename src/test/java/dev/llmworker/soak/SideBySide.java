package dev.llmworker.soak;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/// Prompts with ids that run beside each other on one WebSocket, of which some are cancelled.
final class SideBySide {
    private static final Pattern ID = Pattern.compile("^\\{\"id\":\"p(\\d+)\"");
    private static final int MOST = 4;

    private final Wire wire;
    private final Prompts prompts;
    private final Findings findings;
    private final Random random;
    private final Map<Integer, StringBuilder> running = new HashMap<>();
    private final List<String> asked = new ArrayList<>();
    private final int cancelled;

    /// @param wire a WebSocket
    SideBySide(Wire wire, Prompts prompts, Findings findings, Random random) {
        this.wire = wire;
        this.prompts = prompts;
        this.findings = findings;
        this.random = random;
        cancelled = random.nextInt(MOST);
    }

    /// @param longAnswer tokens of the one that is cancelled
    void act(int longAnswer) throws Exception {
        var count = 1 + random.nextInt(MOST);
        for (var i = 0; i < count; i++) {
            var prompt = Prompts.ALL.get(random.nextInt(Prompts.ALL.size()));
            asked.add(prompt);
            running.put(i, new StringBuilder());
            var isCancelled = i == cancelled;
            var more = ",\"id\":\"p" + i + '"' + (isCancelled ? ",\"ignore_eos\":true" : "");
            wire.text(Prompts.generate(prompt, isCancelled ? longAnswer : Prompts.TOKENS, more));
        }
        if (cancelled < count) {
            Thread.sleep(random.nextInt(300));
            wire.text("{\"cancel\":\"p" + cancelled + "\"}");
        }
        while (!running.isEmpty()) {
            take(frame());
        }
    }

    private String frame() throws IOException {
        var frame = wire.frame();
        while (!frame.isText()) {
            if ((frame.first() & 15) == 8) {
                throw new IllegalStateException("closed amid answers");
            }
            frame = wire.frame();
        }
        return frame.text();
    }

    private void take(String frame) {
        var id = ID.matcher(frame);
        var number = id.find() ? Integer.parseInt(id.group(1)) : -1;
        var answer = running.get(number);
        // A refused prompt is gone, so its cancel names none that runs.
        if (answer == null) {
            if (number != cancelled || !frame.contains("unknown_id")) {
                findings.violation("/ws: not asked for: " + frame);
            }
            return;
        }
        answer.append(frame);
        if (frame.contains("\"error\"")) {
            findings.count("refused /ws with an id");
            running.remove(number);
        } else if (frame.contains("\"done\"")) {
            running.remove(number);
            done(number, answer.toString());
        }
    }

    private void done(int number, String answer) {
        var text = Prompts.strings("token", answer);
        if (number != cancelled) {
            findings.count("answer /ws with an id");
            prompts.check(findings, "/ws with an id", asked.get(number), text);
            return;
        }
        findings.count("cancelled /ws");
        if (!answer.contains("\"finish_reason\":\"cancelled\"")) {
            findings.violation(
                    "/ws: a cancelled prompt ended otherwise: " + answer.substring(Math.max(0, answer.length() - 100)));
        }
    }
}
