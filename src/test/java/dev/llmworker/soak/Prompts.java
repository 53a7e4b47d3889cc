package dev.llmworker.soak;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The greedy requests of the soak, and the text that each had when nothing else ran.
final class Prompts {
    static final int TOKENS = 16;
    /// Enough for each of the formats.
    static final int FORMAT_TOKENS = 60;
    static final List<String> ALL = List.of(
            "Tell me about load balancing",
            "Name three colours of the sea",
            "Why does iron rust?",
            "Write a line about the moon",
            "Was ist ein Fluss?",
            "List two uses of salt",
            "Explain a queue to a child",
            "What makes bread rise?");

    private static final Pattern ESCAPE = Pattern.compile("\\\\(u[0-9a-fA-F]{4}|.)", Pattern.DOTALL);

    private final Map<String, String> alone = new HashMap<>();
    private final boolean hasFormats;

    /// @param hasFormats whether the engine has structured output
    Prompts(boolean hasFormats) {
        this.hasFormats = hasFormats;
    }

    boolean hasFormats() {
        return hasFormats;
    }

    static String generate(String prompt, int tokens, String more) {
        return "{\"prompt\":\"" + prompt + "\",\"max_tokens\":" + tokens + ",\"temperature\":0" + more + "}";
    }

    static String chat(String prompt, int tokens, String more) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"" + prompt + "\"}],\"max_tokens\":" + tokens
                + ",\"temperature\":0" + more + "}";
    }

    /// Asks for each text once, one after the other, and once in each format.
    void learn(int port) throws Exception {
        for (var wanted : hasFormats ? Formats.WANTED : List.<Formats.Wanted>of()) {
            for (var prompt : ALL) {
                try (var wire = new Wire(port)) {
                    var answer = wire.send(Wire.post("/generate", generate(prompt, FORMAT_TOKENS, wanted.fields())))
                            .answer();
                    alone.put(prompt + wanted.fields(), strings("generated_text", answer.body()));
                }
            }
        }
        for (var prompt : ALL) {
            try (var wire = new Wire(port)) {
                var answer = wire.send(Wire.post("/generate", generate(prompt, TOKENS, "")))
                        .answer();
                alone.put(prompt, normal(strings("generated_text", answer.body())));
            }
        }
    }

    /// It is wrong where `text` is not what the prompt had alone in this format, or has another form.
    void check(Findings findings, String path, String prompt, Formats.Wanted wanted, String text) {
        var before = alone.get(prompt + wanted.fields());
        if (!text.equals(before) || !wanted.allows(text)) {
            findings.violation(path + ": \"" + prompt + "\" got \"" + text + "\", alone \"" + before
                    + "\", in the format " + wanted.regex());
        }
    }

    /// It is wrong where `text` is not what the prompt had alone.
    void check(Findings findings, String path, String prompt, String text) {
        if (!normal(text).equals(alone.get(prompt))) {
            findings.violation(path + ": \"" + prompt + "\" got \"" + text + "\", alone \"" + alone.get(prompt) + '"');
        }
    }

    // The mock numbers its answers.
    private static String normal(String text) {
        return text.replaceAll("request #\\d+", "request #n");
    }

    /// The values of all fields `name` in JSON, or in events of it, joined.
    static String strings(String name, String json) {
        var joined = new StringBuilder();
        var fields =
                Pattern.compile("\"" + name + "\":\"((?:[^\"\\\\]|\\\\.)*+)\"").matcher(json);
        while (fields.find()) {
            joined.append(ESCAPE.matcher(fields.group(1))
                    .replaceAll(escape -> Matcher.quoteReplacement(character(escape.group(1)))));
        }
        return joined.toString();
    }

    private static String character(String escape) {
        return switch (escape.charAt(0)) {
            case 'n' -> "\n";
            case 'r' -> "\r";
            case 't' -> "\t";
            case 'b' -> "\b";
            case 'f' -> "\f";
            case 'u' -> String.valueOf((char) Integer.parseInt(escape.substring(1), 16));
            default -> escape;
        };
    }
}
