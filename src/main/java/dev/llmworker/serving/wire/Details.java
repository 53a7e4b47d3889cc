package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import java.util.Locale;

/// What `"details": true` adds to the end of an answer.
///
/// @param firstTokenNanos from the request to its first token; negative where there was none
/// @param totalNanos from the request to its end
public record Details(GenerationEvent.Finished finished, long firstTokenNanos, long totalNanos) {
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double NANOS_PER_SECOND = 1e9;

    public static String reason(GenerationEvent.Finished finished) {
        return finished.reason().name().toLowerCase(Locale.ROOT);
    }

    /// Members of a JSON object, without its braces.
    public String json() {
        var prompt = finished.promptTokens();
        var completion = finished.completionTokens();
        return String.format(
                Locale.ROOT,
                "\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d},"
                        + "\"timings\":{\"first_token_ms\":%s,\"total_ms\":%.1f,\"tokens_per_second\":%.1f}",
                reason(finished),
                prompt,
                completion,
                prompt + completion,
                firstTokenNanos < 0 ? "null" : String.format(Locale.ROOT, "%.1f", firstTokenNanos / NANOS_PER_MILLI),
                totalNanos / NANOS_PER_MILLI,
                tokensPerSecond());
    }

    /// The speed after the first token, whose time is the prompt's.
    private double tokensPerSecond() {
        var decodeNanos = totalNanos - Math.max(firstTokenNanos, 0);
        var tokens = finished.completionTokens() - 1;
        return tokens < 1 || decodeNanos <= 0 ? 0 : tokens * NANOS_PER_SECOND / decodeNanos;
    }
}
