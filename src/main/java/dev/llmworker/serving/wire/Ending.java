package dev.llmworker.serving.wire;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Timings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// How an answer ended, and how long it took.
public record Ending(GenerationEvent.Finished finished, Timings timings) {
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double NANOS_PER_SECOND = 1e9;

    /// How the choices of one request ended together: as the first of them. Each prompt counts once.
    ///
    /// @param perPrompt how many consecutive choices have the same prompt
    public static Ending of(List<Ending> choices, int perPrompt) {
        var first = choices.getFirst();
        return sum(choices, perPrompt, first.finished.withParts(List.of()), first.timings.totalNanos());
    }

    /// How the rounds of one request ended together: as the last of them. Each prompt counts.
    public static Ending ofRounds(List<Ending> rounds) {
        var last = rounds.getLast().finished;
        var total =
                rounds.stream().mapToLong(round -> round.timings.totalNanos()).sum();
        return sum(rounds, 1, last, total);
    }

    /// Adds up the tokens.
    ///
    /// @param end why they ended
    private static Ending sum(List<Ending> all, int perPrompt, GenerationEvent.Finished end, long totalNanos) {
        int prompt = 0, cached = 0, completion = 0, reasoning = 0;
        for (var index = 0; index < all.size(); index++) {
            var one = all.get(index);
            completion += one.finished.completionTokens();
            reasoning += one.finished.reasoningTokens();
            if (index % perPrompt == 0) {
                prompt += one.finished.promptTokens();
                cached += one.timings.cachedTokens();
            }
        }
        var first = all.getFirst().timings;
        return new Ending(
                end.withTokens(prompt, completion, reasoning),
                new Timings(cached, first.queuedNanos(), first.firstTokenNanos(), totalNanos));
    }

    /// The same answer, ended for another reason.
    public Ending as(FinishReason reason) {
        return new Ending(finished.as(reason), timings);
    }

    /// As clients read it: `stop`.
    public String reason() {
        return finished.reason().name().toLowerCase(Locale.ROOT);
    }

    /// As clients of OpenAI's API read it, which has fewer reasons. An answer that was cut short ended by its length.
    public String openAiReason() {
        return switch (finished.reason()) {
            case STOP -> "stop";
            case TOOL_CALLS -> "tool_calls";
            case CONTENT_FILTER -> "content_filter";
            case LENGTH, TIMEOUT, CANCELLED -> "length";
            case ERROR -> throw new IllegalStateException("an answer that failed has no reason but an error");
        };
    }

    /// Whether the worker or the client ended it, and not the model or its limit.
    public boolean isCut() {
        return finished.reason() == FinishReason.CANCELLED || finished.reason() == FinishReason.TIMEOUT;
    }

    /// Token counts, as OpenAI's API has them.
    public Map<String, Object> usage() {
        var usage = new LinkedHashMap<String, Object>();
        usage.put("prompt_tokens", finished.promptTokens());
        usage.put("completion_tokens", finished.completionTokens());
        usage.put("total_tokens", finished.promptTokens() + finished.completionTokens());
        usage.put("prompt_tokens_details", Map.of("cached_tokens", timings.cachedTokens()));
        return usage;
    }

    /// As [#usage()], of an answer that has its reasoning apart.
    public Map<String, Object> usageWithReasoning() {
        var usage = usage();
        usage.put("completion_tokens_details", Map.of("reasoning_tokens", finished.reasoningTokens()));
        return usage;
    }

    /// The fields that `"details": true` adds to the end of an answer.
    public Map<String, Object> details() {
        var times = new LinkedHashMap<String, Object>();
        times.put(
                "first_token_ms",
                timings.firstTokenNanos() < 0 ? null : rounded(timings.firstTokenNanos() / NANOS_PER_MILLI));
        times.put("total_ms", rounded(timings.totalNanos() / NANOS_PER_MILLI));
        times.put("tokens_per_second", rounded(tokensPerSecond()));
        var details = new LinkedHashMap<String, Object>();
        details.put("finish_reason", reason());
        details.put("usage", usage());
        details.put("timings", times);
        return details;
    }

    private static double rounded(double value) {
        return Math.round(value * 10) / 10.0;
    }

    /// The speed after the first token, whose time is that of the prompt.
    private double tokensPerSecond() {
        var decodeNanos = timings.totalNanos() - Math.max(timings.firstTokenNanos(), 0);
        var tokens = finished.completionTokens() - 1;
        return tokens < 1 || decodeNanos <= 0 ? 0 : tokens * NANOS_PER_SECOND / decodeNanos;
    }
}
