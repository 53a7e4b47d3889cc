package dev.llmworker.stats;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What clients used, by the label of their API key. A null label counts nothing.
///
/// Threading: any thread.
public final class KeyStats {
    private final Map<String, Usage> usages = new ConcurrentHashMap<>();
    private volatile Consumer<String> whenNew = _ -> {};

    /// Of one key.
    private static final class Usage {
        private final LongAdder requests = new LongAdder();
        private final LongAdder promptTokens = new LongAdder();
        private final LongAdder generatedTokens = new LongAdder();
    }

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
        var known = usages.get(label);
        if (known != null) {
            return known;
        }
        var added = new Usage();
        var other = usages.putIfAbsent(label, added);
        if (other != null) {
            return other;
        }
        whenNew.accept(label);
        return added;
    }

    /// @param listener hears of each label once, when something is counted under it for the first time
    void whenNew(Consumer<String> listener) {
        whenNew = listener;
        usages.keySet().forEach(listener);
    }

    /// Generations accepted.
    public long requests(String label) {
        return usage(label).requests.sum();
    }

    public long promptTokens(String label) {
        return usage(label).promptTokens.sum();
    }

    public long generatedTokens(String label) {
        return usage(label).generatedTokens.sum();
    }
}
