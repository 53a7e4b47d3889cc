package dev.llmworker.stats;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/// The usage of clients, by the label of their API key. Calls with a null label are ignored.
///
/// Threading: any thread.
public final class KeyStats {
    private final Map<String, Usage> usages = new ConcurrentHashMap<>();

    /// The usage of one key.
    record Usage(LongAdder requests, LongAdder promptTokens, LongAdder generatedTokens) {}

    public void recordAccepted(@Nullable String label) {
        if (label != null) {
            usage(label).requests.increment();
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
        return usages.computeIfAbsent(label, _ -> new Usage(new LongAdder(), new LongAdder(), new LongAdder()));
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
