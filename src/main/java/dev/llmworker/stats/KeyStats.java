package dev.llmworker.stats;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/// The usage of clients, by the label of their API key. Calls with a null label are ignored. Reasons are in snake case.
///
/// Threading: any thread.
public final class KeyStats {
    /// Why generations of a key are refused because of what it has used.
    private static final List<String> REFUSALS =
            List.of("requests_per_minute_used_up", "tokens_per_minute_used_up", "concurrent_used_up", "share_used_up");

    private final Map<String, Usage> usages = new ConcurrentHashMap<>();

    /// The usage of one key.
    record Usage(
            LongAdder requests, LongAdder promptTokens, LongAdder generatedTokens, Map<String, LongAdder> refused) {}

    public void recordAccepted(@Nullable String label) {
        if (label != null) {
            usage(label).requests.increment();
        }
    }

    /// A generation was refused because the key has used up a limit.
    ///
    /// @param reason which limit
    public void recordRefused(@Nullable String label, String reason) {
        if (label != null) {
            usage(label).refused.computeIfAbsent(reason, _ -> new LongAdder()).increment();
        }
    }

    public void recordFinished(@Nullable String label, int promptTokens, int completionTokens) {
        if (label != null) {
            var usage = usage(label);
            usage.promptTokens.add(promptTokens);
            usage.generatedTokens.add(completionTokens);
        }
    }

    private Usage usage(String label) {
        return usages.computeIfAbsent(
                label, _ -> new Usage(new LongAdder(), new LongAdder(), new LongAdder(), refusals()));
    }

    private static Map<String, LongAdder> refusals() {
        var refusals = new ConcurrentHashMap<String, LongAdder>();
        REFUSALS.forEach(reason -> refusals.put(reason, new LongAdder()));
        return refusals;
    }

    /// The usage by label. A key appears with its first request.
    Map<String, Usage> usages() {
        return usages;
    }

    /// How many generations were accepted.
    public long requests(String label) {
        return usage(label).requests.sum();
    }

    public long generatedTokens(String label) {
        return usage(label).generatedTokens.sum();
    }
}
