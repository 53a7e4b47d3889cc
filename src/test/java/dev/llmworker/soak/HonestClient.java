package dev.llmworker.soak;

import java.util.List;
import java.util.Random;

/// A client that does as it should, and checks what it gets.
final class HonestClient {
    private static final List<String> WRONG = List.of(
            "",
            "[]",
            "{}",
            "{\"prompt\":1}",
            "{\"prompt\":\"x\",\"max_tokens\":0}",
            "{\"prompt\":\"x\",\"max_tokens\":99999999}",
            "{\"prompt\":\"x\",\"temperature\":NaN}",
            "{\"prompt\":\"x\",\"prompt\":\"y\"}",
            "{\"prompt\":\"\\ud800\"}",
            "{\"messages\":[]}",
            "[".repeat(5_000));

    private final int port;
    private final Prompts prompts;
    private final Findings findings;
    private final Random random;
    private final int longAnswer;

    /// @param longAnswer tokens that it does not wait for
    HonestClient(int port, Prompts prompts, Findings findings, Random random, int longAnswer) {
        this.port = port;
        this.prompts = prompts;
        this.findings = findings;
        this.random = random;
        this.longAnswer = longAnswer;
    }

    /// One thing that clients do.
    void act() throws Exception {
        switch (random.nextInt(prompts.hasFormats() ? 14 : 12)) {
            case 0, 1 -> answer("/generate", "generated_text", false);
            case 2 -> answer("/v1/chat/completions", "content", true);
            case 3, 4 -> stream("/generate", "token");
            case 5 -> stream("/v1/chat/completions", "content");
            case 6, 7 -> webSocket();
            case 8 -> sideBySide();
            case 9 -> look();
            case 10 -> withoutKey();
            case 11 -> wrong();
            default -> inFormat();
        }
    }

    private String prompt() {
        return Prompts.ALL.get(random.nextInt(Prompts.ALL.size()));
    }

    private void answer(String path, String field, boolean chat) throws Exception {
        var prompt = prompt();
        var body = chat ? Prompts.chat(prompt, Prompts.TOKENS, "") : Prompts.generate(prompt, Prompts.TOKENS, "");
        try (var wire = new Wire(port)) {
            var request = Wire.post(path, body);
            if (random.nextInt(20) == 0) {
                findings.count("slow sender");
                for (var octet : request) {
                    wire.send(new byte[] {octet});
                    Thread.sleep(5);
                }
            } else {
                wire.send(request);
            }
            var answer = wire.answer();
            findings.status(answer.status(), path);
            findings.count("answer " + path);
            if (answer.status() == 200) {
                prompts.check(findings, path, prompt, Prompts.strings(field, answer.body()));
            } else {
                refused(path, answer.head());
            }
        }
    }

    private void inFormat() throws Exception {
        var prompt = prompt();
        var wanted = Formats.WANTED.get(random.nextInt(Formats.WANTED.size()));
        var path = "/generate";
        try (var wire = new Wire(port)) {
            var body = Prompts.generate(prompt, Prompts.FORMAT_TOKENS, wanted.fields());
            var answer = wire.send(Wire.post(path, body)).answer();
            findings.status(answer.status(), path);
            findings.count("answer " + path + " in a format");
            if (answer.status() == 200) {
                prompts.check(findings, path, prompt, wanted, Prompts.strings("generated_text", answer.body()));
            } else {
                refused(path, answer.head());
            }
        }
    }

    private void stream(String path, String field) throws Exception {
        var prompt = prompt();
        var more = ",\"stream\":true";
        var body = path.startsWith("/v1")
                ? Prompts.chat(prompt, Prompts.TOKENS, more)
                : Prompts.generate(prompt, Prompts.TOKENS, more);
        try (var wire = new Wire(port)) {
            var answer = wire.send(Wire.post(path, body)).answer();
            findings.status(answer.status(), path);
            findings.count("stream " + path);
            if (answer.status() != 200) {
                refused(path, answer.head());
            } else if (!answer.body().contains("\"error\"")) {
                prompts.check(findings, path, prompt, Prompts.strings(field, answer.body()));
            }
        }
    }

    private void webSocket() throws Exception {
        try (var wire = new Wire(port).upgrade()) {
            for (var turns = 1 + random.nextInt(3); turns > 0; turns--) {
                var prompt = prompt();
                wire.text(Prompts.generate(prompt, Prompts.TOKENS, ""));
                var frames = wire.answerFrames();
                findings.count("answer /ws");
                if (!frames.contains("\"error\"")) {
                    prompts.check(findings, "/ws", prompt, Prompts.strings("token", frames));
                } else {
                    findings.count("refused /ws");
                }
            }
            wire.send(Wire.frame(0x88, new byte[] {3, (byte) 0xe8}));
        }
    }

    private void sideBySide() throws Exception {
        try (var wire = new Wire(port).upgrade()) {
            new SideBySide(wire, prompts, findings, random).act(longAnswer);
            wire.send(Wire.frame(0x88, new byte[] {3, (byte) 0xe8}));
        }
    }

    /// With none or a wrong one, by HTTP or WebSocket.
    private void withoutKey() throws Exception {
        var key = random.nextBoolean() ? "" : "X-API-Key: " + Wire.KEY.substring(1) + "\r\n";
        var path = List.of("/generate", "/v1/models", "/stats", "/ws?token=wrong", "/nope")
                .get(random.nextInt(5));
        try (var wire = new Wire(port)) {
            var status = wire.send(Wire.getWith(path, key)).answer().status();
            findings.status(status, path);
            findings.count("without a key");
            if (status != 401) {
                findings.violation(path + " without a key was answered by " + status);
            }
        }
    }

    private void refused(String path, Wire.Head head) {
        findings.count("refused " + path);
        if (head.status() != 503) {
            findings.violation(path + " answered a good request by " + head.status());
        } else if (!head.headers().containsKey("retry-after")) {
            findings.violation(path + ": 503 without Retry-After");
        }
    }

    private void look() throws Exception {
        var paths = List.of("/stats", "/v1/models", "/metrics", "/", "/nope");
        try (var wire = new Wire(port)) {
            for (var path : paths) {
                var answer = wire.send(Wire.get(path)).answer();
                findings.status(answer.status(), path);
            }
            findings.count("look");
        }
    }

    private void wrong() throws Exception {
        var path =
                List.of("/generate", "/v1/chat/completions", "/v1/completions").get(random.nextInt(3));
        var body = WRONG.get(random.nextInt(WRONG.size()));
        try (var wire = new Wire(port)) {
            var answer = wire.send(Wire.post(path, body)).answer();
            findings.status(answer.status(), path);
            findings.count("wrong request");
            // A prompt of OpenAI's older API may be anything that is not empty.
            if (answer.status() == 200 && !path.equals("/v1/completions")) {
                findings.violation(path + " took " + body.substring(0, Math.min(40, body.length())));
            }
        }
    }
}
