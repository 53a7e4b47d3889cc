package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/// Log-probabilities of tokens, as OpenAI's APIs write them.
public final class TokenScores {
    private static final float LEAST_LOGPROB = -9999;

    private TokenScores() {}

    /// Of a token that was sampled, with the most likely ones in its place.
    public static Map<String, Object> of(GenerationEvent.Token token) {
        var scores = score(token.scores().getFirst());
        scores.put(
                "top_logprobs",
                token.scores().stream().skip(1).map(TokenScores::score).toList());
        return scores;
    }

    private static Map<String, Object> score(ScoredToken score) {
        var bytes = new int[score.bytes().length];
        for (var i = 0; i < bytes.length; i++) {
            bytes[i] = score.bytes()[i] & 0xff;
        }
        var members = new LinkedHashMap<String, Object>();
        members.put("token", shown(score, ""));
        members.put("logprob", finite(score.logprob()));
        members.put("bytes", bytes);
        return members;
    }

    /// A token's text. The bytes of one that is part of a character are written like those of Python: `\xe2\x80`.
    ///
    /// @param prefix of a text that has such bytes
    public static String shown(ScoredToken token, String prefix) {
        var bytes = token.bytes();
        return new String(bytes, StandardCharsets.UTF_8).indexOf('\uFFFD') < 0 ? token.text() : prefix + escaped(bytes);
    }

    /// Printable ASCII as it is, all other bytes as `\xNN`.
    private static String escaped(byte[] bytes) {
        var escaped = new StringBuilder();
        for (var value : bytes) {
            if (value >= ' ' && value < 0x7f && value != '\\') {
                escaped.append((char) value);
            } else {
                escaped.append("\\x").append(HexFormat.of().toHexDigits(value));
            }
        }
        return escaped.toString();
    }

    /// A log-probability that JSON can write: it has no infinity.
    public static float finite(float logprob) {
        return logprob > LEAST_LOGPROB ? Math.min(logprob, 0f) : LEAST_LOGPROB;
    }
}
